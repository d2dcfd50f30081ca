package plugindev

import (
	"errors"
	"fmt"
	"strings"
)

// ucum checks units: codes of the Unified Code for Units of Measure (UCUM), case sensitive, as they are written into a
// manifest. It knows the grammar and every atom, and tells one that is no code from one that is; what a unit measures it
// does not know.
type ucum struct {
	metric map[string]bool // atom → it takes prefixes
	rest   string
	depth  int
}

// Atoms by whether they take a prefix, and the prefixes: all of the tables of UCUM 2.2 (ucum-essence, 2024-06-17), case
// sensitive.
const (
	ucumPrefixes = `Y Z E P T G M k h da d c m u n p f a z y Ki Mi Gi Ti`

	ucumMetric = `m s g rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv l L ar t bar u eV pc [c] [h] [k]
[eps_0] [mu_0] [e] [m_e] [m_p] [G] [g] [ly] gf Ky Gal dyn erg P Bi St Mx G Oe Gb sb Lmb ph Ci R RAD REM cal_[15] cal_[20]
cal_m cal_IT cal_th cal tex m[H2O] m[Hg] eq osm g% kat U [iU] [IU] Np B B[SPL] B[V] B[mV] B[uV] B[10.nV] B[W] B[kW] st
mho bit By Bd`

	ucumOther = `10* 10^ [pi] % [ppth] [ppm] [ppb] [pptr] gon deg ' '' min h d a_t a_j a_g a wk mo_s mo_j mo_g mo AU atm
[lbf_av] [in_i] [ft_i] [yd_i] [mi_i] [fth_i] [nmi_i] [kn_i] [sin_i] [sft_i] [syd_i] [cin_i] [cft_i] [cyd_i] [bf_i] [cr_i]
[mil_i] [cml_i] [hd_i] [ft_us] [yd_us] [in_us] [rd_us] [ch_us] [lk_us] [rch_us] [rlk_us] [fth_us] [fur_us] [mi_us] [acr_us]
[srd_us] [smi_us] [sct] [twp] [mil_us] [in_br] [ft_br] [rd_br] [ch_br] [lk_br] [fth_br] [pc_br] [yd_br] [mi_br] [nmi_br]
[kn_br] [acr_br] [gal_us] [bbl_us] [qt_us] [pt_us] [gil_us] [foz_us] [fdr_us] [min_us] [crd_us] [bu_us] [gal_wi] [pk_us]
[dqt_us] [dpt_us] [tbs_us] [tsp_us] [cup_us] [foz_m] [cup_m] [tsp_m] [tbs_m] [gal_br] [pk_br] [bu_br] [qt_br] [pt_br]
[gil_br] [foz_br] [fdr_br] [min_br] [gr] [lb_av] [oz_av] [dr_av] [scwt_av] [lcwt_av] [ston_av] [lton_av] [stone_av]
[pwt_tr] [oz_tr] [lb_tr] [sc_ap] [dr_ap] [oz_ap] [lb_ap] [oz_m] [lne] [pnt] [pca] [pnt_pr] [pca_pr] [pied] [pouce] [ligne]
[didot] [cicero] [degF] [degR] [degRe] [Cal] [Btu_39] [Btu_59] [Btu_60] [Btu_m] [Btu_IT] [Btu_th] [Btu] [HP] [den]
[in_i'H2O] [in_i'Hg] [PRU] [wood'U] [diop] [p'diop] %[slope] [mesh_i] [Ch] [drp] [hnsf'U] [MET] [hp'_X] [hp'_C] [hp'_M]
[hp'_Q] [hp_X] [hp_C] [hp_M] [hp_Q] [kp_X] [kp_C] [kp_M] [kp_Q] [pH] [S] [HPF] [LPF] [arb'U] [USP'U] [GPL'U] [MPL'U]
[APL'U] [beth'U] [anti'Xa'U] [todd'U] [dye'U] [smgy'U] [bdsk'U] [ka'U] [knk'U] [mclg'U] [tb'U] [CCID_50] [TCID_50]
[EID_50] [PFU] [FFU] [CFU] [IR] [BAU] [AU] [Amb'a'1'U] [PNU] [Lf] [D'ag'U] [FEU] [ELU] [EU] Ao att [psi] circ sph [car_m]
[car_Au] [smoot] [m/s2/Hz^(1/2)] [NTU] [FNU] bit_s b`
)

// ucumUsual maps what people write to the code of it.
const ucumUsual = `degC=Cel °C=Cel C°=Cel celsius=Cel degF=[degF] °F=[degF] °=deg degree=deg degrees=deg kmh=km/h kph=km/h
kmph=km/h mph=[mi_i]/h kn=[kn_i] kt=[kn_i] knots=[kn_i] nmi=[nmi_i] sec=s second=s seconds=s minute=min minutes=min hr=h
hour=h hours=h day=d days=d msec=ms usec=us µs=us byte=By bytes=By Byte=By Bytes=By kB=kBy KB=kBy MB=MBy KiB=KiBy MiB=MiBy
bits=bit Bit=bit bps=bit/s baud=Bd percent=% pct=% permille=[ppth] ‰=[ppth] ppm=[ppm] ppb=[ppb] rpm=/min RPM=/min
ohm=Ohm Ω=Ohm kohm=kOhm kΩ=kOhm hz=Hz khz=kHz psi=[psi] PSI=[psi] inch=[in_i] in=[in_i] ft=[ft_i] feet=[ft_i]
foot=[ft_i] mile=[mi_i] miles=[mi_i] lb=[lb_av] lbs=[lb_av] oz=[oz_av] meter=m metre=m meters=m metres=m kwh=kW.h kWh=kW.h
Wh=W.h VA=V.A kVA=kV.A Ah=A.h mAh=mA.h Nm=N.m m/s²=m/s2 m/s^2=m/s2 m²=m2 m³=m3 µm=um µV=uV µA=uA dBm=dB{mW} hPA=hPa
g-force=[g] arcmin=' arcsec=''`

// newUCUM makes a checker: it is used for one manifest after which it is forgotten.
func newUCUM() *ucum {
	u := &ucum{metric: map[string]bool{}}
	for a := range strings.FieldsSeq(ucumMetric) {
		u.metric[a] = true
	}
	for a := range strings.FieldsSeq(ucumOther) {
		u.metric[a] = false
	}
	return u
}

// check says what is wrong with a code, with the code of what was meant where that is known.
func (u *ucum) check(code string) error {
	if code == "" {
		return nil
	}
	err := u.parse(code)
	if err == nil {
		return nil
	}
	for pair := range strings.FieldsSeq(ucumUsual) {
		usual, meant, _ := strings.Cut(pair, "=")
		if usual == code && u.parse(meant) == nil {
			return fmt.Errorf("unit %q is no UCUM code: write %q", code, meant)
		}
	}
	return fmt.Errorf("unit %q is no UCUM code: %w", code, err)
}

const (
	mostUnit      = 200
	mostUnitDepth = 16
)

// parse reads a whole code: an optional leading slash and a term.
func (u *ucum) parse(code string) error {
	if len(code) > mostUnit {
		return fmt.Errorf("it is longer than %d bytes", mostUnit)
	}
	u.rest, u.depth = strings.TrimPrefix(code, "/"), 0
	if err := u.term(); err != nil {
		return err
	}
	if u.rest != "" {
		return fmt.Errorf("%q is left over", u.rest)
	}
	return nil
}

// term reads components between points and slashes.
func (u *ucum) term() error {
	for {
		if err := u.component(); err != nil {
			return err
		}
		if u.rest == "" || u.rest[0] != '.' && u.rest[0] != '/' {
			return nil
		}
		u.rest = u.rest[1:]
	}
}

// component reads a term in parentheses, an annotation, a factor, or an atom with its exponent; an annotation may follow.
func (u *ucum) component() error {
	switch {
	case u.rest == "":
		return errors.New("a unit is missing at its end")
	case u.rest[0] == '(':
		if u.depth++; u.depth > mostUnitDepth {
			return fmt.Errorf("its parentheses nest deeper than %d", mostUnitDepth)
		}
		u.rest = u.rest[1:]
		if err := u.term(); err != nil {
			return err
		}
		if !strings.HasPrefix(u.rest, ")") {
			return errors.New("a closing parenthesis is missing")
		}
		u.rest = u.rest[1:]
		u.depth--
	case u.rest[0] == '{':
		return u.annotation()
	default:
		if err := u.factorOrAtom(); err != nil {
			return err
		}
	}
	if strings.HasPrefix(u.rest, "{") {
		return u.annotation()
	}
	return nil
}

func (u *ucum) annotation() error {
	end := strings.IndexByte(u.rest, '}')
	if end < 0 {
		return errors.New("a closing brace is missing")
	}
	for _, c := range []byte(u.rest[1:end]) {
		if c < '!' || c > '~' || c == '{' {
			return errors.New("an annotation holds a character that may not be there")
		}
	}
	u.rest = u.rest[end+1:]
	return nil
}

// factorOrAtom reads a whole number that is no part of an atom (10* and 10^ are atoms), or an atom.
func (u *ucum) factorOrAtom() error {
	word := u.rest[:wordEnd(u.rest)]
	if word == "" {
		return fmt.Errorf("there is no unit at %q", u.rest)
	}
	if digits := len(word) - len(strings.TrimLeft(word, "0123456789")); digits == len(word) {
		u.rest = u.rest[digits:]
		return nil
	}
	atom := strings.TrimRight(word, "0123456789")
	if cut := len(atom) - 1; len(atom) < len(word) && cut > 0 && (atom[cut] == '+' || atom[cut] == '-') {
		atom = atom[:cut]
	}
	// An atom may itself end in digits: the whole word is tried first.
	if !u.atom(word) && !u.atom(atom) {
		return fmt.Errorf("there is no unit %q", word)
	}
	u.rest = u.rest[len(word):]
	return nil
}

// wordEnd gives where the next atom with its exponent ends. What stands in brackets belongs to it, whatever it is.
func wordEnd(s string) int {
	inside := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '[':
			inside = true
		case c == ']':
			inside = false
		case !inside && strings.IndexByte("./(){}", c) >= 0:
			return i
		}
	}
	return len(s)
}

// atom reports whether s is an atom, or a prefix and an atom that takes one.
func (u *ucum) atom(s string) bool {
	if _, ok := u.metric[s]; ok {
		return true
	}
	for p := range strings.FieldsSeq(ucumPrefixes) {
		if rest, ok := strings.CutPrefix(s, p); ok && u.metric[rest] {
			return true
		}
	}
	return false
}
