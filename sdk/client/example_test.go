package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/wayside-edge/wayside/sdk/client"
	"github.com/wayside-edge/wayside/sdk/client/worker"
)

// A program that has a job done by a worker somewhere, and waits for what comes of it.
func Example() {
	ctx := context.Background()
	c, err := client.New(client.Config{Server: "http://127.0.0.1:8000", Token: os.Getenv("WAYSIDE_TOKEN")})
	if err != nil {
		fmt.Println(err)
		return
	}
	job, err := c.Enqueue(ctx, client.NewJob{Type: "thumbnail", Payload: map[string]string{"file": "f1"}, UniqueKey: "thumbnail/f1"}, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	done, err := c.Wait(ctx, job.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(done.Status, string(done.Result))
}

// A worker that makes thumbnails until it is interrupted. What it is at then is finished first.
func Example_worker() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c, err := client.New(client.Config{Server: "http://127.0.0.1:8000", Token: os.Getenv("WAYSIDE_TOKEN")})
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := worker.New(worker.Config{Client: c, Concurrency: 8, Logger: slog.Default()})
	if err != nil {
		fmt.Println(err)
		return
	}
	w.Handle("thumbnail", func(ctx context.Context, j *worker.Job) (any, error) {
		var p struct {
			File string `json:"file"`
		}
		if err := j.Decode(&p); err != nil {
			return nil, worker.Permanent(err)
		}
		j.Report(0.5, "drawing")
		worker.Log(ctx).InfoContext(ctx, "thumbnail made", "file", p.File)
		return map[string]string{"thumbnail": p.File + ".png"}, nil
	})
	if err := w.Run(ctx); err != nil {
		fmt.Println(err)
	}
}

// A flow: two jobs at once, and one when both are done.
func ExampleClient_CreateFlow() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.New(client.Config{Server: "http://127.0.0.1:8000"})
	if err != nil {
		fmt.Println(err)
		return
	}
	flow, err := c.CreateFlow(ctx, []client.NewFlowJob{
		{Key: "north", NewJob: client.NewJob{Type: "fetch", Payload: "north"}},
		{Key: "south", NewJob: client.NewJob{Type: "fetch", Payload: "south"}},
		{Key: "report", NewJob: client.NewJob{Type: "report", DependsOn: []string{"north", "south"}}},
	}, "report-2026-01-02")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(flow.ID, flow.Status)
}

// A value that is slow to make is kept in the appliance's cache, where every program finds it.
func ExampleCached() {
	ctx := context.Background()
	c, err := client.New(client.Config{Server: "http://127.0.0.1:8000", Token: os.Getenv("WAYSIDE_TOKEN"), Logger: slog.Default()})
	if err != nil {
		fmt.Println(err)
		return
	}
	type place struct {
		Line string  `json:"line"`
		KM   float64 `json:"km"`
	}
	p, err := client.Cached(ctx, c, "place:4711/17", 10*time.Minute, func(context.Context) (place, error) {
		return place{Line: "4711", KM: 17.4}, nil // what takes long
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Line, p.KM)
}

func ExampleClient_Alerts() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := client.New(client.Config{Server: "http://127.0.0.1:8000"})
	if err != nil {
		fmt.Println(err)
		return
	}
	alerts, err := c.Alerts(ctx, client.AlertFilter{State: "firing"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range alerts {
		fmt.Println(a.Level, a.Text)
	}
	// Nobody is to be told of the processor's load while the archive is decoded anew.
	silence, err := c.CreateSilence(ctx, client.NewSilence{Rule: "cpu", For: 2 * time.Hour, Comment: "the archive is decoded anew"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("silent until", silence.Until)
}
