package httpapi

import (
	"bytes"
	"io"
)

// formTail is more than a multipart.Reader reads at once behind the last delimiter of a form.
const formTail = 16 << 10

// formBody is the body of a form. multipart.Reader takes a form that ends within the header of a part for one that ends
// there regularly, so that what was cut off would look like a form without a file: the end of the body is therefore one
// only behind the closing delimiter.
type formBody struct {
	r     io.Reader
	close []byte // the closing delimiter
	tail  []byte // what was read last
}

func newFormBody(r io.Reader, boundary string) *formBody {
	return &formBody{r: r, close: []byte("--" + boundary + "--")}
}

// Read reads on; the end of a form that is not complete is unexpected.
func (f *formBody) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if n >= formTail {
		f.tail = append(f.tail[:0], p[n-formTail:n]...)
	} else if n > 0 {
		if over := len(f.tail) + n - formTail; over > 0 {
			f.tail = append(f.tail[:0], f.tail[over:]...)
		}
		f.tail = append(f.tail, p[:n]...)
	}
	if isEOF(err) && !bytes.Contains(f.tail, f.close) {
		return n, io.ErrUnexpectedEOF
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}
