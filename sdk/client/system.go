package client

import (
	"context"
	"encoding/json"
	"time"
)

// System is what an appliance is and uses. Sizes are bytes.
type System struct {
	Version       string    `json:"version"`
	StartedAt     time.Time `json:"started_at,omitzero"`
	UptimeSeconds float64   `json:"uptime_seconds"`
	Build         struct {
		GoVersion string `json:"go_version"`
		Revision  string `json:"revision"`
		OS        string `json:"os"`
		Arch      string `json:"arch"`
	} `json:"build"`
	Data struct {
		Files        *int64 `json:"files"` // nil: not counted yet
		Decodes      *int64 `json:"decodes"`
		BlobsBytes   int64  `json:"blobs_bytes"`
		ResultsBytes int64  `json:"results_bytes"`
		StoreBytes   int64  `json:"store_bytes"`
	} `json:"data"`
	Disk struct {
		TotalBytes   int64 `json:"total_bytes"`
		FreeBytes    int64 `json:"free_bytes"`
		ReserveBytes int64 `json:"reserve_bytes"` // below this nothing new is stored
		Full         bool  `json:"full"`
	} `json:"disk"`
	Memory struct {
		ServerBytes  int64 `json:"server_bytes"`
		WorkersBytes int64 `json:"workers_bytes"`
		HostBytes    int64 `json:"host_bytes"`
	} `json:"memory"`
	Limits struct {
		MaxUploadBytes int64 `json:"max_upload_bytes"` // 0 = no limit
		DecodeWorkers  int   `json:"decode_workers"`
	} `json:"limits"`
	Kernel []KernelFeature `json:"kernel"`

	// Raw is the answer of the appliance, with what this version of the client does not know.
	Raw json.RawMessage `json:"-"`
}

// KernelFeature is what a kernel offers to confine decoders.
type KernelFeature struct {
	Name   string `json:"name"`
	Active bool   `json:"active"`
	Detail string `json:"detail"`
}

// UnmarshalJSON reads the answer and keeps the document.
func (s *System) UnmarshalJSON(b []byte) error {
	type plain System
	return keepRaw(b, (*plain)(s), &s.Raw)
}

// System tells what the appliance is and uses.
func (c *Client) System(ctx context.Context) (s System, err error) {
	err = c.get(ctx, "/system", nil, &s)
	return s, err
}
