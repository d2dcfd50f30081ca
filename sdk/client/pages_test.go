package client

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestListsAreReadToTheirEnd(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch cursor := r.URL.Query().Get("cursor"); cursor {
		case "":
			_, _ = fmt.Fprint(w, `{"items":[{"name":"a"},{"name":"b"}],"next_cursor":"x&y","total":3}`)
		case "x&y":
			_, _ = fmt.Fprint(w, `{"items":[{"name":"c"}],"next_cursor":null,"total":3}`)
		default:
			t.Errorf("cursor %q", cursor)
		}
	}))
	defer srv.Close()
	c, err := New(Config{Server: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Queues(t.Context())
	if err != nil || len(all) != 3 || all[2].Name != "c" {
		t.Errorf("%+v, %v", all, err)
	}
}
