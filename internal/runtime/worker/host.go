package worker

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// host offers the imports to the one instance that runs at a time.
type host struct {
	call *call
}

// hostFunc is an import: it has the guest's memory and the parameters, and leaves the result in stack[0].
type hostFunc func(c *call, mem []byte, stack []uint64)

// instantiateABI offers the imports of ABI v1.
func (h *host) instantiateABI(ctx context.Context, rt wazero.Runtime) error {
	b := rt.NewHostModuleBuilder(abi.Module)
	t := func(v ...api.ValueType) []api.ValueType { return v }
	export := func(name string, params, results []api.ValueType, f hostFunc) {
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(func(_ context.Context, m api.Module, stack []uint64) {
			f(h.call, memoryOf(m), stack)
		}), params, results).Export(name)
	}
	export(abi.ImportRead, t(i32, i32), t(i32), hostRead)
	export(abi.ImportReadAt, t(i64, i32, i32), t(i32), hostReadAt)
	export(abi.ImportSize, nil, t(i64), hostSize)
	export(abi.ImportPart, t(i32, i32, i32), t(i32), hostPart)
	export(abi.ImportOpenPart, t(i32), t(i32), hostOpenPart)
	export(abi.ImportManifest, t(i32, i32), nil, hostManifest)
	export(abi.ImportTable, t(i32, i32), t(i32), hostTable)
	export(abi.ImportEmit, t(i32, i32), t(i32), hostEmit)
	export(abi.ImportIssue, t(i32, i64, i32, i32, i32, i32), nil, hostIssue)
	export(abi.ImportFail, t(i32, i32, i32, i32), nil, hostFail)
	export(abi.ImportLog, t(i32, i32, i32), nil, hostLog)
	export(abi.ImportParam, t(i32, i32, i32, i32), t(i32), hostParam)
	export(abi.ImportChild, t(i32, i32), t(i32), hostChild)
	export(abi.ImportChildWrite, t(i32, i32, i32), t(i32), hostChildWrite)
	export(abi.ImportChildClose, t(i32), nil, hostChildClose)
	if _, err := b.Instantiate(ctx); err != nil {
		return fmt.Errorf("offer %s: %w", abi.Module, err)
	}
	return nil
}

// arg gives parameter i as the i32 it is.
func arg(stack []uint64, i int) uint32 { return uint32(stack[i]) }

// give leaves an i32 result.
func give(stack []uint64, v int32) { stack[0] = uint64(uint32(v)) }

func hostManifest(c *call, mem []byte, stack []uint64) {
	c.need(abi.ImportManifest, modeManifest)
	if arg(stack, 1) > abi.MaxManifestBytes {
		c.violate("the manifest has %d bytes, the limit is %d", arg(stack, 1), abi.MaxManifestBytes)
	}
	c.manifest = append([]byte(nil), c.bytes(mem, abi.ImportManifest, arg(stack, 0), arg(stack, 1))...)
}

func hostTable(c *call, mem []byte, stack []uint64) {
	c.need(abi.ImportTable, modeDecode)
	if arg(stack, 1) > maxTableJSON {
		c.violate("table: the schema has %d bytes, the limit is %d", arg(stack, 1), maxTableJSON)
	}
	if c.out.schemaBytes += int64(arg(stack, 1)); c.out.schemaBytes > maxTableJSON {
		c.stop(errcode.TableLimit, fmt.Sprintf("the schemas of the tables that the decoder declared have more than %d bytes", maxTableJSON))
	}
	var t abi.Table
	if err := json.Unmarshal(c.bytes(mem, abi.ImportTable, arg(stack, 0), arg(stack, 1)), &t); err != nil {
		c.violate("table: %v", err)
	}
	s, err := module.Schema(&t)
	if err != nil {
		c.violate("table: %v", err)
	}
	id, err := c.out.declare(s)
	switch {
	case errors.Is(err, errTooManyTables):
		c.stop(errcode.TableLimit, fmt.Sprintf("the decoder declared more than %d tables", abi.MaxTables))
	case err != nil:
		c.violate("table: %v", err)
	}
	give(stack, int32(id))
}

func hostEmit(c *call, mem []byte, stack []uint64) {
	c.need(abi.ImportEmit, modeDecode)
	id := arg(stack, 0)
	if uint64(id) >= uint64(len(c.out.tables)) {
		c.violate("emit: there is no table %d", int32(id))
	}
	c.emit(mem, c.out.tables[id], arg(stack, 1))
	give(stack, abi.EmitMore)
}

func hostIssue(c *call, mem []byte, stack []uint64) {
	c.need(abi.ImportIssue, modeDecode)
	severity, off := arg(stack, 0), int64(stack[1])
	if severity > uint32(abi.Fatal) {
		c.violate("issue: there is no severity %d", severity)
	}
	code := c.code(mem, abi.ImportIssue, arg(stack, 2), arg(stack, 3))
	if abi.Severity(severity) != abi.Fatal && c.out.issues.full() { // a guest may say more than a billion of them
		c.bytes(mem, abi.ImportIssue, arg(stack, 4), arg(stack, 5))
		c.out.issue(c, abi.Severity(severity), off, code, "")
		return
	}
	text := c.text(mem, abi.ImportIssue, arg(stack, 4), arg(stack, 5))
	if abi.Severity(severity) == abi.Fatal && c.fatal == nil {
		c.fatal = &wire.Verdict{Code: verdictCode(code), Message: text}
		if off >= 0 {
			c.fatal.Offset = &off
		}
	}
	c.out.issue(c, abi.Severity(severity), off, code, text)
}

func hostFail(c *call, mem []byte, stack []uint64) {
	c.need(abi.ImportFail, modeDecode)
	code := c.code(mem, abi.ImportFail, arg(stack, 0), arg(stack, 1))
	c.failed = &wire.Verdict{
		Code: verdictCode(code), Message: c.text(mem, abi.ImportFail, arg(stack, 2), arg(stack, 3)),
	}
}

func hostLog(c *call, mem []byte, stack []uint64) {
	text := c.text(mem, abi.ImportLog, arg(stack, 1), arg(stack, 2))
	c.line(int(slog.LevelWarn)*int(min(arg(stack, 0), 2)), text) // 0 info, 1 warning, 2 error
}

// hostParam copies as much of the value as there is room for and gives its whole length.
func hostParam(c *call, mem []byte, stack []uint64) {
	c.need(abi.ImportParam, modeDecode, modeSniff)
	key := c.bytes(mem, abi.ImportParam, arg(stack, 0), arg(stack, 1))
	dst := c.bytes(mem, abi.ImportParam, arg(stack, 2), arg(stack, 3))
	v, ok := c.params[string(key)]
	if !ok {
		give(stack, abi.Refused)
		return
	}
	copy(dst, v)
	give(stack, int32(min(len(v), 1<<30)))
}

// u32at reads word i of a descriptor.
func u32at(b []byte, i int) uint32 { return binary.LittleEndian.Uint32(b[i*4:]) }
