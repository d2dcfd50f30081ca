package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/event"
	"github.com/wayside-edge/wayside/internal/runtime"
)

type installInput struct {
	bodyInput
	Wait float64 `query:"wait" minimum:"0" maximum:"30" doc:"seconds to wait until it is no longer compiling"`
}

type installOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     Plugin
}

const (
	disableDetail = "Decodes that run go on; those that wait fail with decoder_disabled. It stays so after a restart."
	reloadDetail  = "Looks at all files whether they seem to have changed or not, and gives what was rejected another try."
)

func (s *Server) routePluginAdmin(api huma.API, bodies map[string]*huma.RequestBody) {
	const install = "install-plugin"
	register(s, api, operation{
		id: install, method: http.MethodPost, path: "/plugins", scope: scopeAdmin, created: true,
		summary: "Install a decoder",
		detail: "Takes a WebAssembly module and answers 201, or 200 when the same bytes are there already. The answer describes that " +
			"module, also where another version serves its id: state rejected has its reason, standby could serve. What is no module at all is 422, which has its checks too. " +
			"The module goes into the data folder's plugins/ as <id>-<version>.wasm.",
	}, s.installPlugin)
	body := recordingBody()
	body.Description = "the module, or form data with it as the part file"
	body.Content["application/wasm"] = body.Content[anyBytes]
	bodies[install] = body
	register(s, api, operation{
		id: "remove-plugin", method: http.MethodDelete, path: "/plugins/{id}", scope: scopeAdmin, summary: "Remove a decoder",
		detail: "Removes every version of it from the data folder; its decodes stay. A built-in one, or one of the system's folder, is 409.",
	}, func(ctx context.Context, in *pluginInput) (*noContent, error) {
		if err := s.deps.PluginAdmin.Remove(ctx, in.ID); err != nil {
			return nil, fmt.Errorf("remove plugin: %w", err)
		}
		return nil, nil //nolint:nilnil // huma's way to say: no body
	})
	for _, a := range []struct {
		name, summary, detail string
		do                    func(ctx context.Context, id string) (runtime.Plugin, error)
	}{
		{"enable", "Use a decoder again", "", func(ctx context.Context, id string) (runtime.Plugin, error) {
			return s.deps.PluginAdmin.SetEnabled(ctx, id, true)
		}},
		{"disable", "Do not use a decoder any more", disableDetail, func(ctx context.Context, id string) (runtime.Plugin, error) {
			return s.deps.PluginAdmin.SetEnabled(ctx, id, false)
		}},
		{"reload", "Read a decoder's folder again", reloadDetail, s.deps.PluginAdmin.Reload},
	} {
		register(s, api, operation{
			id: a.name + "-plugin", method: http.MethodPost, path: "/plugins/{id}/" + a.name, scope: scopeAdmin, summary: a.summary, detail: a.detail,
		}, func(ctx context.Context, in *pluginInput) (*pluginOutput, error) {
			p, err := a.do(ctx, in.ID)
			if err != nil {
				return nil, fmt.Errorf("%s plugin: %w", a.name, err)
			}
			return &pluginOutput{Body: s.pluginDTO(&p)}, nil
		})
	}
}

func (s *Server) installPlugin(ctx context.Context, in *installInput) (*installOutput, error) {
	stateOf(ctx).stream = true
	body, _, err := openBody(in.request, "")
	if err != nil {
		return nil, err
	}
	sub := s.deps.Events.Subscribe(event.Now, runtime.TopicPlugin)
	defer sub.Close()
	p, existing, err := s.deps.PluginAdmin.Install(ctx, body)
	if err != nil {
		if _, coded := errors.AsType[*errcode.Error](err); !coded {
			if cut := bodyFailure(in.request); cut != nil {
				return nil, cut
			}
		}
		return nil, refusalOf(in.request, fmt.Errorf("install plugin: %w", err))
	}
	if p, err = s.compiled(ctx, sub, p, time.Duration(in.Wait*float64(time.Second))); err != nil {
		return nil, err
	}
	out := &installOutput{Status: http.StatusCreated, Location: pathPrefix + "/plugins/" + p.ID, Body: s.pluginDTO(&p)}
	if existing {
		out.Status = http.StatusOK
	}
	return out, nil
}

// refusalOf adds to the answer for what is no module at which check it stopped.
func refusalOf(r *http.Request, err error) error {
	refused, ok := errors.AsType[*runtime.RefusedError](err)
	if !ok {
		return err
	}
	p := problemOf(r, err)
	p.Checks = checksDTO(refused.Checks)
	return p
}

// compiled gives the module as it is when it is no longer compiling, or after the wait, or when the server begins to
// stop.
func (s *Server) compiled(ctx context.Context, sub *event.Sub, p runtime.Plugin, wait time.Duration) (runtime.Plugin, error) {
	if wait <= 0 {
		return p, nil
	}
	timed, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	defer context.AfterFunc(s.drain, cancel)() //nolint:contextcheck // both contexts end the wait
	for p.State == runtime.Compiling {
		if _, err := sub.Next(timed); err != nil {
			if ctx.Err() != nil {
				return p, fmt.Errorf("wait for plugin: %w", context.Cause(ctx))
			}
			return p, nil
		}
		now, ok := s.deps.PluginAdmin.Module(p.SHA256)
		if !ok {
			return p, errcode.New(errcode.Conflict, "the plugin's file was changed or removed meanwhile")
		}
		p = now
	}
	return p, nil
}
