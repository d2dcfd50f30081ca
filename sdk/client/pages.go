package client

import (
	"context"
	"net/url"
)

// all reads a list page by page. An empty one is no nil, so that it is written as a list.
func all[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	items := []T{}
	q := url.Values{"limit": {"1000"}}
	for {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next_cursor"`
		}
		if err := c.get(ctx, path, q, &page); err != nil {
			return items, err
		}
		if items = append(items, page.Items...); page.Next == "" {
			return items, nil
		}
		q.Set("cursor", page.Next)
	}
}
