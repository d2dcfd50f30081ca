package client

import (
	"context"
	"net/url"
)

// all reads a list page by page. An empty one is no nil, so that it is written as a list.
func all[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	return allOf[T](ctx, c, path, url.Values{})
}

// allOf is all of a list with parameters, which it adds its own to.
func allOf[T any](ctx context.Context, c *Client, path string, q url.Values) ([]T, error) {
	items := []T{}
	q.Set("limit", "1000")
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
