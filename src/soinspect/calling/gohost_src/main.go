// The generic Go host of soinspect: opens one plugin, carries out steps, and tells its parent what happened.
//
// The parent hands over one end of a socket, whose number is in $SOINSPECT_FD. The request (JSON) is read from it
// until the parent has closed its side; then each event is written to it as one line of JSON. The last event tells
// how far the process came when it dies. Standard input, output and error belong to the plugin.
//
// Standard library only; builds unchanged with Go 1.18 and newer.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"plugin"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// The deepest stack before "goroutine stack exceeds": the default of 1 GB takes seconds to fill.
	maxStack = 64 << 20
	// A plugin that closes "all" descriptors means the low ones.
	highDescriptor = 900
	// How long goroutines may take to end by themselves before they count as left behind.
	settleTime = 100 * time.Millisecond
	// The most bytes of a stack dump that an event carries.
	maxDump = 64 << 10
	// The exit status after a panic that was caught and reported.
	exitPanicked = 70

	prctlParentDeathSignal = 1
)

// request is what the parent asks for.
type request struct {
	Plugin   string `json:"plugin"`
	InitTask uint64 `json:"inittask"` // file address of the plugin's own init task, 0 when it has none
	Timeout  int64  `json:"timeout"`  // milliseconds until a context handed to the plugin ends
	Memory   uint64 `json:"memory"`   // bytes
	Steps    []step `json:"steps"`
}

// step is one thing to do with an opened plugin.
//
// Arguments are JSON texts, nil when the symbol is to be used as what it is: a func is called, a variable is read.
// Value is a JSON text to assign, nil when there is nothing to assign.
type step struct {
	Symbol    string   `json:"symbol"`
	Arguments []string `json:"arguments"`
	Value     *string  `json:"value"`
}

// event is one line to the parent; Step is the index of the step, -1 while the plugin is opened.
type event struct {
	Event      string  `json:"event"`
	Step       int     `json:"step"`
	Reason     string  `json:"reason,omitempty"`
	Type       string  `json:"type,omitempty"`
	Values     []shown `json:"values,omitempty"`
	Changed    []shown `json:"changed,omitempty"`
	Nanos      int64   `json:"ns,omitempty"`
	Goroutines int     `json:"goroutines,omitempty"`
	State      uint32  `json:"state,omitempty"` // of the plugin's own init task: 1 running, 2 done
	Stack      string  `json:"stack,omitempty"`
}

func init() {
	// Before anything else, and on the main thread: no core dumps, and no life after the parent.
	syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
	syscall.RawSyscall(syscall.SYS_PRCTL, prctlParentDeathSignal, uintptr(syscall.SIGKILL), 0)
	debug.SetMaxStack(maxStack)
}

func main() {
	channel, asked, err := connect()
	if err != nil {
		fmt.Fprintln(os.Stderr, "soinspect host:", err)
		os.Exit(2)
	}
	if asked.Memory > 0 {
		syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: asked.Memory, Max: asked.Memory})
	}
	h := host{channel: channel, idle: runtime.NumGoroutine() + 1}
	if !h.guarded(-1, func() bool { return h.open(asked.Plugin, asked.InitTask) }) {
		return
	}
	for i, s := range asked.Steps {
		i, s := i, s
		deadline := time.Duration(asked.Timeout) * time.Millisecond
		if !h.guarded(i, func() bool { return h.carryOut(i, s, deadline) }) {
			return
		}
	}
	h.finish()
}

// connect takes over the socket and reads the request from it.
func connect() (int, request, error) {
	var asked request
	fd, err := strconv.Atoi(os.Getenv("SOINSPECT_FD"))
	if err != nil {
		return 0, asked, fmt.Errorf("started by hand? SOINSPECT_FD: %w", err)
	}
	os.Unsetenv("SOINSPECT_FD")
	high, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, highDescriptor)
	if errno == 0 {
		syscall.Close(fd)
		fd = int(high)
	} else {
		syscall.CloseOnExec(fd) // the limit on descriptors is below highDescriptor: stay where we are
	}
	text, err := io.ReadAll(descriptor(fd))
	if err != nil {
		return 0, asked, err
	}
	return fd, asked, json.Unmarshal(text, &asked)
}

// descriptor reads and writes a file descriptor without the runtime's poller, which a plugin may disturb.
type descriptor int

func (d descriptor) Read(p []byte) (int, error) {
	n, err := syscall.Read(int(d), p)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	if n < 0 {
		n = 0
	}
	return n, err
}

func (d descriptor) write(line []byte) {
	for len(line) > 0 {
		n, err := syscall.Write(int(d), line)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return // the parent is gone
		}
		line = line[n:]
	}
}

// host is the state of the run; idle is the number of goroutines while a step runs and the plugin started none.
type host struct {
	channel int
	idle    int
	plugin  *plugin.Plugin
}

func (h *host) emit(e event) {
	line, err := json.Marshal(e)
	if err != nil {
		line = []byte(`{"event":"broken","step":-1}`)
	}
	descriptor(h.channel).write(append(line, '\n'))
}

// guarded does one thing in a goroutine of its own, so that panics and runtime.Goexit are seen and told apart.
// It reports whether to go on; it ends the process after a panic, as an unprepared host would.
func (h *host) guarded(index int, do func() bool) bool {
	goOn := make(chan bool)
	go func() {
		finished, ok := false, false
		defer func() {
			if !finished {
				h.explain(index, recover())
				os.Exit(exitPanicked)
			}
			goOn <- ok
		}()
		ok = do()
		finished = true
	}()
	return <-goOn
}

// explain reports a recovered value; nil means runtime.Goexit (or, before Go 1.21, also panic(nil)).
func (h *host) explain(index int, value any) {
	if value == nil {
		h.emit(event{Event: "goexit", Step: index})
		return
	}
	h.emit(event{
		Event:  "panic",
		Step:   index,
		Reason: clip(fmt.Sprint(value), maxDump),
		Type:   fmt.Sprintf("%T", value),
		Stack:  clip(string(debug.Stack()), maxDump),
	})
}

// open loads the plugin, which runs the initialisers of its packages.
func (h *host) open(path string, initTask uint64) bool {
	h.emit(event{Event: "opening", Step: -1, Reason: runtime.Version()})
	start := time.Now()
	opened, err := plugin.Open(path)
	took := time.Since(start)
	if err != nil {
		h.emit(event{Event: "refused", Step: -1, Reason: err.Error()})
		return false
	}
	h.plugin = opened
	h.emit(event{
		Event:      "opened",
		Step:       -1,
		Nanos:      took.Nanoseconds(),
		Goroutines: runtime.NumGoroutine() - h.idle,
		State:      stateOf(path, initTask),
	})
	return true
}

// finish reports what still runs once all steps are done.
func (h *host) finish() {
	h.idle-- // no step is running
	for deadline := time.Now().Add(settleTime); runtime.NumGoroutine() > h.idle && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	done := event{Event: "done", Step: -1, Goroutines: runtime.NumGoroutine() - h.idle}
	if done.Goroutines > 0 {
		dump := make([]byte, maxDump)
		done.Stack = string(dump[:runtime.Stack(dump, true)])
	}
	h.emit(done)
}

// stateOf reads the first word of an init task from the live process; 0 when it cannot be read.
func stateOf(path string, address uint64) uint32 {
	if address == 0 {
		return 0
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(maps), "\n") {
		fields := strings.Fields(line) // range, rights, offset, device, inode, path
		if len(fields) < 6 || fields[5] != path {
			continue
		}
		start, _, _ := strings.Cut(fields[0], "-")
		base, err := strconv.ParseUint(start, 16, 64)
		if err != nil {
			return 0
		}
		memory, err := os.Open("/proc/self/mem")
		if err != nil {
			return 0
		}
		defer memory.Close()
		var word [4]byte
		if _, err := memory.ReadAt(word[:], int64(base+address)); err != nil {
			return 0
		}
		return binary.LittleEndian.Uint32(word[:])
	}
	return 0
}

func clip(text string, most int) string {
	if len(text) > most {
		return text[:most]
	}
	return text
}
