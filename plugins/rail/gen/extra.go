package main

import "fmt"

// p44 is packet 44 with what its user 7 puts into it. The rest of other users' data is opaque.
const p44 = `NID_PACKET:8 Q_DIR:2 L_PACKET:13 NID_XUSER:9 IF NID_XUSER == 7 {NID_XDATA:8 ` +
	`IF NID_XDATA == 0 {D_CURVEDISTANCE:13 L_CURVE:12 M_CURVERADIUS:5 N_ITER:5 ` +
	`REPEAT N_ITER {D_CURVEDISTANCE:13 L_CURVE:12 M_CURVERADIUS:5}} ELSE {` +
	`IF NID_XDATA == 1 {M_AUXILIARY:4} ELSE {` +
	`IF NID_XDATA == 2 {NID_STATION:9 D_STATIONDISPLAY:13 D_STATIONSTART:13 L_STATION:12 V_STATION:7 M_STATIONDOOR:2} ELSE {` +
	`IF NID_XDATA == 3 {NID_TSR:8 D_TSR:15 L_TSR:15 Q_FRONT:1 Q_TSRDRIVER:1 V_TSR:7 N_ITER:5 ` +
	`REPEAT N_ITER {NC_TSRDIFF:4 Q_TSRDIFF:2 V_TSRDIFF:7}} ELSE {` +
	`IF NID_XDATA == 4 {M_LEUERROR:2} ELSE {` +
	`IF NID_XDATA == 5 {D_WHEELWEAR:16 NID_BG:14} ELSE {REST}}}}}}} ` +
	`ELSE {IF NID_XUSER == 102 {NID_NTC:8} REST}`

// addExtra puts in what the facts lack.
func addExtra(packets []*packet) error {
	for _, e := range []struct {
		nid         int
		title, text string
	}{
		{44, "DataOutsideERTMS", p44},
		{135, "StopShuntingOnDeskOpening", "NID_PACKET:8 Q_DIR:2 L_PACKET:13"},
		{145, "InhibitionOfBaliseGroupConsistencyReaction", "NID_PACKET:8 Q_DIR:2 L_PACKET:13"},
	} {
		p, err := find(packets, 2, e.nid)
		if err != nil {
			return fmt.Errorf("add to the facts: %w", err)
		}
		p.title, p.text = e.title, e.text
	}
	return nil
}

// Resolutions as the facts write them.
const (
	byScale = "10 cm, 1 m or 10 m depending on Q_SCALE"
	speed   = "5 km/h"
	second  = "1 s"
)

// extraFacts describes variables that the facts do not list: those of baseline 3.4 and of system version 1.x, and
// those of packet 44, whose distances have no documented scale and stay raw.
func extraFacts() []fact {
	return []fact{
		{name: "V_EMA", most: "600 km/h", resolution: speed, special: "121-127 Spare"},
		{name: "T_EMA", most: "1022", resolution: second, special: "1023 infinite"},
		{name: "D_STARTREVERSEAREA", most: "327.670 km", resolution: byScale},
		{name: "M_AXLELOAD", most: "40 t", resolution: "0.5 t", special: "81-125 Spare; 126 Exceeds 40 t; 127 Unknown"},
		{name: "M_TRACTION"},
		{name: "Q_LSSMA", special: "0 Toggle off; 1 Toggle on"},
		{name: "T_LSSMA", resolution: second},
		{name: "NID_XDATA", special: "0 Curve; 1 Auxiliary; 2 Station; 3 Temporary speed restriction; 4 LEU error; 5 Wheel wear"},
		{name: "D_CURVEDISTANCE"},
		{name: "L_CURVE"},
		{name: "M_CURVERADIUS"},
		{name: "M_AUXILIARY"},
		{name: "NID_STATION"},
		{name: "D_STATIONDISPLAY"},
		{name: "D_STATIONSTART"},
		{name: "L_STATION"},
		{name: "V_STATION", most: "600 km/h", resolution: speed},
		{name: "M_STATIONDOOR"},
		{name: "Q_TSRDRIVER"},
		{name: "NC_TSRDIFF"},
		{name: "Q_TSRDIFF"},
		{name: "V_TSRDIFF", most: "600 km/h", resolution: speed},
		{name: "M_LEUERROR"},
		{name: "D_WHEELWEAR"},
	}
}
