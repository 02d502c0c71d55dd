package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"sort"
	"strconv"
	"time"
	"unicode/utf8"
)

const (
	// The most bytes of JSON that one value is shown with, and how deep it is followed.
	maxShown = 256 << 10
	maxDepth = 20
)

// shown is a Go value for the parent: its static type, the type inside an interface, and the data as JSON.
//
// Structs are objects in field order, unexported fields included; maps are objects, or lists of pairs when the keys
// are no numbers or strings; bytes are text when they are UTF-8, else {"hex": ...}; pointers are followed. Cut tells
// that the value was too large to be shown whole. Argument is the position (from 1) of a changed argument.
type shown struct {
	Type     string `json:"type"`
	Dynamic  string `json:"dynamic,omitempty"`
	Value    string `json:"value"`
	Cut      bool   `json:"cut,omitempty"`
	Argument int    `json:"argument,omitempty"`
}

func show(value reflect.Value) shown {
	p := printer{onPath: map[uintptr]bool{}}
	p.print(value, 0)
	s := shown{Type: value.Type().String(), Value: p.out.String(), Cut: p.cut}
	if value.Kind() == reflect.Interface && !value.IsNil() {
		s.Dynamic = value.Elem().Type().String()
	}
	return s
}

func showAll(values []reflect.Value) []shown {
	all := make([]shown, 0, len(values))
	for _, value := range values {
		all = append(all, show(value))
	}
	return all
}

// printer writes one value as JSON; onPath holds the pointers being followed, to stop at cycles.
type printer struct {
	out    bytes.Buffer
	cut    bool
	onPath map[uintptr]bool
}

var (
	errorType    = reflect.TypeOf((*error)(nil)).Elem()
	timeType     = reflect.TypeOf(time.Time{})
	durationType = reflect.TypeOf(time.Duration(0))
)

func (p *printer) print(v reflect.Value, depth int) {
	if depth > maxDepth || p.out.Len() > maxShown {
		p.cut = true
		p.text("...")
		return
	}
	if p.known(v) {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		p.out.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		p.out.WriteString(strconv.FormatInt(v.Int(), 10))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		p.out.WriteString(strconv.FormatUint(v.Uint(), 10))
	case reflect.Float32, reflect.Float64:
		p.float(v.Float(), v.Type().Bits())
	case reflect.Complex64, reflect.Complex128:
		p.text(strconv.FormatComplex(v.Complex(), 'g', -1, v.Type().Bits()))
	case reflect.String:
		p.bytes([]byte(v.String()))
	case reflect.Slice, reflect.Array:
		p.list(v, depth)
	case reflect.Map:
		p.mapping(v, depth)
	case reflect.Struct:
		p.structure(v, depth)
	case reflect.Ptr, reflect.Interface:
		p.follow(v, depth)
	default: // func, chan, unsafe.Pointer: no data to show
		p.opaque(v)
	}
}

// known prints the types whose data means little without their methods; all are of the standard library but error,
// whose text is the plugin's own code at work.
func (p *printer) known(v reflect.Value) bool {
	if !v.CanInterface() || (v.Kind() == reflect.Ptr || v.Kind() == reflect.Interface) && v.IsNil() {
		return false
	}
	switch {
	case v.Type() == timeType:
		p.text(v.Interface().(time.Time).Format(time.RFC3339Nano))
	case v.Type() == durationType:
		p.text(time.Duration(v.Int()).String())
	case v.Type().Implements(errorType):
		p.text(v.Interface().(error).Error())
	default:
		return false
	}
	return true
}

func (p *printer) float(number float64, bits int) {
	text := strconv.FormatFloat(number, 'g', -1, bits)
	if math.IsNaN(number) || math.IsInf(number, 0) {
		p.text(text) // JSON has no such numbers
		return
	}
	p.out.WriteString(text)
}

func (p *printer) text(text string) {
	encoder := json.NewEncoder(&p.out)
	encoder.SetEscapeHTML(false)
	encoder.Encode(text)
	p.out.Truncate(p.out.Len() - 1) // the encoder ends each value with a newline
}

func (p *printer) bytes(data []byte) {
	if len(data) > maxShown {
		p.cut = true
		data = data[:maxShown]
		for len(data) > 0 && !utf8.RuneStart(data[len(data)-1]) {
			data = data[:len(data)-1]
		}
		if len(data) > 0 && data[len(data)-1] >= utf8.RuneSelf {
			data = data[:len(data)-1] // the first byte of a rune that was cut
		}
	}
	if utf8.Valid(data) {
		p.text(string(data))
		return
	}
	p.out.WriteString(`{"hex":"` + hex.EncodeToString(data) + `"}`)
}

func (p *printer) list(v reflect.Value, depth int) {
	if v.Kind() == reflect.Slice && v.IsNil() {
		p.out.WriteString("null")
		return
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		data := make([]byte, v.Len())
		for i := range data {
			data[i] = byte(v.Index(i).Uint())
		}
		p.bytes(data)
		return
	}
	p.sequence('[', v.Len(), ']', func(i int) { p.print(v.Index(i), depth+1) })
}

// sequence prints n things between brackets, and stops when the value grows too large.
func (p *printer) sequence(open byte, n int, end byte, item func(int)) {
	p.out.WriteByte(open)
	for i := 0; i < n; i++ {
		if p.out.Len() > maxShown {
			p.cut = true
			break
		}
		if i > 0 {
			p.out.WriteByte(',')
		}
		item(i)
	}
	p.out.WriteByte(end)
}

func (p *printer) structure(v reflect.Value, depth int) {
	p.sequence('{', v.NumField(), '}', func(i int) {
		p.text(v.Type().Field(i).Name)
		p.out.WriteByte(':')
		p.print(v.Field(i), depth+1)
	})
}

func (p *printer) mapping(v reflect.Value, depth int) {
	if v.IsNil() {
		p.out.WriteString("null")
		return
	}
	type entry struct {
		key   string
		value reflect.Value
		pair  reflect.Value
	}
	var entries []entry
	plain := v.Type().Key().Kind() <= reflect.Complex128 || v.Type().Key().Kind() == reflect.String
	for iter := v.MapRange(); iter.Next() && len(entries) < maxShown; {
		entries = append(entries, entry{key: fmt.Sprint(iter.Key()), value: iter.Value(), pair: iter.Key()})
	}
	sort.Slice(entries, func(a, b int) bool { return entries[a].key < entries[b].key })
	if plain {
		p.sequence('{', len(entries), '}', func(i int) {
			p.text(entries[i].key)
			p.out.WriteByte(':')
			p.print(entries[i].value, depth+1)
		})
		return
	}
	p.sequence('[', len(entries), ']', func(i int) {
		p.out.WriteByte('[')
		p.print(entries[i].pair, depth+1)
		p.out.WriteByte(',')
		p.print(entries[i].value, depth+1)
		p.out.WriteByte(']')
	})
}

func (p *printer) follow(v reflect.Value, depth int) {
	if v.IsNil() {
		p.out.WriteString("null")
		return
	}
	if v.Kind() == reflect.Ptr {
		address := v.Pointer()
		if p.onPath[address] {
			p.text("(cycle)")
			return
		}
		p.onPath[address] = true
		defer delete(p.onPath, address)
	}
	p.print(v.Elem(), depth+1)
}

func (p *printer) opaque(v reflect.Value) {
	if v.Kind() != reflect.UnsafePointer && v.IsNil() {
		p.out.WriteString("null")
		return
	}
	p.text("(" + v.Type().String() + ")")
}
