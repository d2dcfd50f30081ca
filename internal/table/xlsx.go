package table

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Limits of a workbook. What a spreadsheet program refuses to open is refused here, before anything is sent.
const (
	MaxXLSXRows   = excelize.TotalRows - 1       // rows of a table: the sheet's first row holds the names
	maxXLSXBytes  = 2 << 30                      // of the sheet's XML, estimated high: beyond 4 GiB programs want a zip64 that the library makes in memory only
	maxXLSXText   = excelize.TotalCellChars      // UTF-16 units of a cell
	maxXLSXExact  = 999_999_999_999_999          // a spreadsheet keeps 15 digits of a number
	xlsxCellBytes = 96                           // of XML that a cell has around its text, at most
	xlsxCellLeast = 16                           // the same, at least
	xlsxTempFrom  = 2 * excelize.StreamChunkSize // of XML, from which a temporary file must be there
	xlsxEscape    = 6                            // bytes that the XML of one byte of text may take
)

// Days that spreadsheets can count: from 1 March 1900, before which they know a 29 February that never was, to the
// end of 9999. The number is that of 1 January 1970.
const (
	xlsxEpoch    = 25_569
	firstXLSXDay = 61
	lastXLSXDay  = 2_958_465
)

// aboutSheet is the sheet that says what the columns are. Its space keeps it apart from every table's name.
const aboutSheet = "About columns"

// xlsxEncoder writes a workbook: a sheet with the table and one with its columns, their types and units. A workbook is
// a zip archive whose entries must be complete one after the other, so the sheet is gathered in a temporary file, and
// the first byte is written by Close.
type xlsxEncoder struct {
	w      io.Writer
	schema *Schema
	temp   string // folder of this encoder alone
	file   *excelize.File
	sheet  *excelize.StreamWriter
	head   int // style of names
	cells  []excelize.Cell
	row    []any // pointers to cells, nil for a null
	ref    []byte
	text   []byte
	rows   int64
	most   int64   // bytes of the sheet's XML are no more than this
	least  int64   // and no fewer than this
	cut    []int64 // texts of each column that were too long
}

func newXLSXEncoder(w io.Writer, s *Schema, opt EncodeOptions) (*xlsxEncoder, error) {
	temp, err := os.MkdirTemp(opt.Temp, PassingPattern)
	if err != nil {
		return nil, errcode.Wrap(errcode.DiskFull, err, "there is no room for the workbook")
	}
	e := &xlsxEncoder{
		w: w, schema: s, temp: temp, file: excelize.NewFile(excelize.Options{TmpDir: temp}),
		cells: make([]excelize.Cell, len(s.Columns)), row: make([]any, len(s.Columns)), cut: make([]int64, len(s.Columns)),
	}
	if err := e.begin(); err != nil {
		e.discard()
		return nil, fmt.Errorf("begin workbook: %w", err)
	}
	return e, nil
}

// begin makes the sheets and writes the row of names.
func (e *xlsxEncoder) begin() error {
	name := sheetName(e.schema.Name)
	if err := e.file.SetSheetName(e.file.GetSheetName(0), name); err != nil {
		return err
	}
	var err error
	if e.head, err = e.file.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}}); err != nil {
		return err
	}
	if e.sheet, err = e.file.NewStreamWriter(name); err != nil {
		return err
	}
	for i := range e.schema.Columns {
		c := &e.schema.Columns[i]
		if e.cells[i].StyleID, err = e.style(c); err != nil {
			return err
		}
		if err := e.sheet.SetColWidth(i+1, i+1, columnWidth(c)); err != nil {
			return err
		}
	}
	if err := freezeHead(e.sheet); err != nil {
		return err
	}
	head := make([]any, len(e.schema.Columns))
	for i := range head {
		head[i] = excelize.Cell{StyleID: e.head, Value: e.schema.Columns[i].Name}
	}
	return e.sheet.SetRow("A1", head)
}

// style gives how the cells of a column are shown. Texts have the style of text, so that one which begins with = stays
// text also when somebody edits the cell.
func (e *xlsxEncoder) style(c *Column) (int, error) {
	s := &excelize.Style{}
	form := ""
	switch c.Type {
	case UTF8, Bin, Enum8, Enum16:
		s.NumFmt = 49
	case TSus, TSns:
		form = "yyyy-mm-dd hh:mm:ss.000"
	case Dec32, Dec64:
		form = "0"
		if c.Scale > 0 {
			form += "." + string(bytes.Repeat([]byte{'0'}, c.Scale))
		}
	default:
		return 0, nil
	}
	if form != "" {
		s.CustomNumFmt = &form
	}
	id, err := e.file.NewStyle(s)
	if err != nil {
		return 0, fmt.Errorf("style of %s: %w", c.Name, err)
	}
	return id, nil
}

func freezeHead(sheet *excelize.StreamWriter) error {
	err := sheet.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"})
	if err != nil {
		return fmt.Errorf("freeze names: %w", err)
	}
	return nil
}

func columnWidth(c *Column) float64 {
	switch {
	case c.Type == TSus || c.Type == TSns:
		return 24
	case c.Type.varlen() || c.Type.enum():
		return 20
	}
	return float64(max(12, len(c.Name)+2))
}

// sheetName makes a sheet's name of a table's: at most 31 characters, and not the one that Excel keeps for itself.
func sheetName(table string) string {
	const most = 31
	if table == "history" {
		return "history_"
	}
	return table[:min(len(table), most)]
}

// Write implements Encoder.
func (e *xlsxEncoder) Write(b *Batch) error {
	for i := range b.Rows {
		if e.rows == MaxXLSXRows {
			return tooManyXLSXRows()
		}
		e.most += xlsxCellBytes // of the row itself
		for j := range e.schema.Columns {
			e.row[j] = nil
			if b.Columns[j].Valid(i) {
				e.set(j, &b.Columns[j], i)
				e.row[j] = &e.cells[j]
			}
		}
		if e.most > maxXLSXBytes {
			return errcode.Invalid("format", "the table is too large for a workbook: choose columns, filter the rows, or take another form")
		}
		e.rows++
		e.ref = strconv.AppendInt(append(e.ref[:0], 'A'), e.rows+1, 10)
		if err := e.sheet.SetRow(string(e.ref), e.row); err != nil {
			return errcode.Wrap(errcode.DiskFull, err, "there is no room for the workbook")
		}
	}
	return e.spilled()
}

func tooManyXLSXRows() error {
	return errcode.Invalid("format", "a sheet holds at most %d rows: filter them, or take another form", int64(MaxXLSXRows))
}

// spilled makes sure that what was written lies in a file: the library goes on in memory where it cannot make one.
func (e *xlsxEncoder) spilled() error {
	if e.least < xlsxTempFrom {
		return nil
	}
	files, err := os.ReadDir(e.temp)
	if err == nil && len(files) == 0 {
		err = os.ErrNotExist
	}
	if err != nil {
		return errcode.Wrap(errcode.DiskFull, err, "there is no room for the workbook")
	}
	return nil
}

// set puts row i of a column, which is not null, into its cell.
func (e *xlsxEncoder) set(j int, v *Vector, i int) {
	c, cell := &e.schema.Columns[j], &e.cells[j]
	e.least += xlsxCellLeast
	e.most += xlsxCellBytes
	if c.Type == Bool {
		cell.Value = v.Data[i] != 0
		return
	}
	if x, ok := xlsxNumber(c, v, i); ok {
		cell.Value = x
		e.most += floatBytes(c, v, i)
		return
	}
	e.text = appendPlain(e.text[:0], c, v, i)
	text, whole := cutUTF16(e.text, maxXLSXText)
	if !whole {
		e.cut[j]++
	}
	cell.Value = string(text)
	e.least += int64(len(text))
	e.most += xlsxEscape * int64(len(text))
}

// floatBytes gives how much more than other numbers one takes that is very large or very small: it is written without an
// exponent.
func floatBytes(c *Column, v *Vector, i int) int64 {
	if c.Type.float() {
		if a := math.Abs(floatAt(c.Type, v, i)); a > 1e18 || a < 1e-18 {
			return 350
		}
	}
	return 0
}

// xlsxNumber gives a value as a number where a spreadsheet holds it as one without losing digits.
func xlsxNumber(c *Column, v *Vector, i int) (any, bool) {
	if c.Type.varlen() || c.Type.enum() {
		return nil, false
	}
	raw := v.Int(c.Type, i)
	switch c.Type {
	case F32:
		f := math.Float32frombits(uint32(raw))
		return f, !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0)
	case F64:
		f := math.Float64frombits(uint64(raw))
		return f, !math.IsNaN(f) && !math.IsInf(f, 0)
	case TSus:
		return xlsxTime(raw, 1e6)
	case TSns:
		return xlsxTime(raw, 1e9)
	case Dec32, Dec64:
		if raw < -maxXLSXExact || raw > maxXLSXExact {
			return nil, false
		}
		return float64(raw) / float64(pow10[c.Scale]), true // both exact, so this is the nearest number
	case U64:
		return uint64(raw), uint64(raw) <= maxXLSXExact
	default:
		return raw, raw >= -maxXLSXExact && raw <= maxXLSXExact
	}
}

// xlsxTime gives a time as the number of days that spreadsheets count. A double holds it to a microsecond.
func xlsxTime(x, unit int64) (any, bool) {
	perDay := 86_400 * unit
	day, rest := x/perDay, x%perDay
	if rest < 0 {
		day, rest = day-1, rest+perDay
	}
	day += xlsxEpoch
	return float64(day) + float64(rest)/float64(perDay), day >= firstXLSXDay && day <= lastXLSXDay
}

// cutUTF16 cuts a text to most UTF-16 units, and says whether it is whole.
func cutUTF16(text []byte, most int) ([]byte, bool) {
	if len(text) <= most {
		return text, true
	}
	units := 0
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if units++; r > 0xffff {
			units++
		}
		if units > most {
			return text[:i], false
		}
		i += n
	}
	return text, true
}

// Close implements Encoder.
func (e *xlsxEncoder) Close() error {
	defer e.discard()
	if err := e.sheet.Flush(); err != nil {
		return errcode.Wrap(errcode.DiskFull, err, "there is no room for the workbook")
	}
	if err := e.about(); err != nil {
		return fmt.Errorf("describe columns: %w", err)
	}
	// The library gathers the whole archive in memory, so the archive is put onto w past what it gives.
	e.file.SetZipWriter(func(io.Writer) excelize.ZipWriter { return zip.NewWriter(e.w) })
	if err := e.file.Write(io.Discard); err != nil {
		return fmt.Errorf("write workbook: %w", err)
	}
	return nil
}

// about writes the sheet of the columns.
func (e *xlsxEncoder) about() error {
	if _, err := e.file.NewSheet(aboutSheet); err != nil {
		return err
	}
	sheet, err := e.file.NewStreamWriter(aboutSheet)
	if err != nil {
		return err
	}
	if err := sheet.SetColWidth(1, 5, 24); err != nil {
		return err
	}
	if err := freezeHead(sheet); err != nil {
		return err
	}
	var head []any
	for _, name := range []string{"column", "unit", "type", "description", "note"} {
		head = append(head, excelize.Cell{StyleID: e.head, Value: name})
	}
	if err := sheet.SetRow("A1", head); err != nil {
		return err
	}
	for i := range e.schema.Columns {
		c := &e.schema.Columns[i]
		row := []any{c.Name, c.Unit, c.TypeName(), c.Description, e.note(i)}
		if err := sheet.SetRow("A"+strconv.Itoa(i+2), row); err != nil {
			return err
		}
	}
	return sheet.Flush()
}

// note says what a reader of a column has to know.
func (e *xlsxEncoder) note(i int) string {
	c := &e.schema.Columns[i]
	switch {
	case e.cut[i] > 0:
		return strconv.FormatInt(e.cut[i], 10) + " texts were longer than a cell holds and end early"
	case c.Type == TSus || c.Type == TSns:
		zone := "UTC"
		if c.Naive {
			zone = "the recording's clock, no zone"
		}
		return zone + "; exact to a microsecond, shown to a millisecond"
	case c.Type == I64 || c.Type == U64 || c.Type == Dec64:
		return "numbers of more than 15 digits are text"
	case c.Type == Bin:
		return "hexadecimal"
	}
	return ""
}

// discard removes what an encoder that is not closed would leave.
func (e *xlsxEncoder) discard() {
	_ = e.file.Close()
	_ = os.RemoveAll(e.temp) // what stays is removed by OpenDir
}
