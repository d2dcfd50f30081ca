package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Plugin is a decoder of an appliance.
type Plugin struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	Version      string            `json:"version"`
	SHA256       string            `json:"sha256"`
	Source       string            `json:"source"` // builtin, system or data
	File         string            `json:"file"`
	State        string            `json:"state"` // active, compiling, disabled, rejected; standby as the answer to an installation
	Reason       string            `json:"reason,omitempty"`
	Signature    Signature         `json:"signature"`
	Description  string            `json:"description"`
	Licence      string            `json:"licence"`
	Formats      []Format          `json:"formats"`
	Params       map[string]string `json:"params"` // defaults that the configuration sets
	Capabilities []string          `json:"capabilities"`
	Stats        PluginStats       `json:"stats"`
	Others       []PluginVersion   `json:"others"` // modules of the same id that do not serve
}

// Signature is what an appliance makes of a module's signature.
type Signature struct {
	State string `json:"state"` // none, valid, unknown_key or invalid
	KeyID string `json:"key_id,omitempty"`
}

// Format is a kind of file that a plugin decodes.
type Format struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Extensions []string `json:"extensions"`
}

// PluginStats is what a plugin has done since the appliance was started.
type PluginStats struct {
	Decodes int64 `json:"decodes"`
	Failed  int64 `json:"failed"`
	Rows    int64 `json:"rows"`
	Bytes   int64 `json:"bytes"`
	Workers int   `json:"workers"`
}

// PluginVersion is a module that does not serve the id it has.
type PluginVersion struct {
	Version   string    `json:"version,omitempty"`
	SHA256    string    `json:"sha256"`
	Source    string    `json:"source"`
	File      string    `json:"file"`
	State     string    `json:"state"` // compiling, rejected or standby
	Reason    string    `json:"reason,omitempty"`
	Signature Signature `json:"signature"`
}

// Plugins lists the decoders.
func (c *Client) Plugins(ctx context.Context) ([]Plugin, error) {
	return all[Plugin](ctx, c, "/plugins")
}

// InstallPlugin installs a module of size bytes and waits up to wait until it is compiled. The answer describes that
// module, also where another one serves its id; existing says that the same bytes were there before.
func (c *Client) InstallPlugin(ctx context.Context, module io.Reader, size int64, wait time.Duration) (p Plugin, existing bool, err error) {
	status, err := c.do(ctx, request{
		method: http.MethodPost, path: "/plugins", body: module, size: size, mediaType: "application/wasm",
		query: url.Values{"wait": {strconv.FormatFloat(wait.Seconds(), 'f', -1, 64)}},
	}, &p)
	return p, status == http.StatusOK, err
}

// RemovePlugin removes all versions of a plugin from the data folder of the appliance.
func (c *Client) RemovePlugin(ctx context.Context, id string) error {
	_, err := c.do(ctx, request{method: http.MethodDelete, path: "/plugins/" + url.PathEscape(id)}, nil)
	return err
}

// EnablePlugin makes the appliance use a plugin again.
func (c *Client) EnablePlugin(ctx context.Context, id string) (Plugin, error) {
	return c.change(ctx, id, "enable")
}

// DisablePlugin makes the appliance use a plugin no more.
func (c *Client) DisablePlugin(ctx context.Context, id string) (Plugin, error) {
	return c.change(ctx, id, "disable")
}

// ReloadPlugin has the appliance look at the files again and give what was rejected another try.
func (c *Client) ReloadPlugin(ctx context.Context, id string) (Plugin, error) {
	return c.change(ctx, id, "reload")
}

func (c *Client) change(ctx context.Context, id, action string) (p Plugin, err error) {
	_, err = c.do(ctx, request{method: http.MethodPost, path: "/plugins/" + url.PathEscape(id) + "/" + action}, &p)
	return p, err
}
