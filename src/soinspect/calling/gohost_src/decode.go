package main

import (
	"bytes"
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
)

var (
	contextType         = reflect.TypeOf((*context.Context)(nil)).Elem()
	writerType          = reflect.TypeOf((*io.Writer)(nil)).Elem()
	readerType          = reflect.TypeOf((*io.Reader)(nil)).Elem()
	jsonUnmarshalerType = reflect.TypeOf((*json.Unmarshaler)(nil)).Elem()
	textUnmarshalerType = reflect.TypeOf((*encoding.TextUnmarshaler)(nil)).Elem()
)

// decodeArguments makes the arguments of a call. A leading context.Context may be left out, or written null.
func decodeArguments(ctx context.Context, texts []string, typ reflect.Type) ([]reflect.Value, error) {
	var arguments []reflect.Value
	fixed := typ.NumIn()
	if typ.IsVariadic() {
		fixed--
	}
	if fixed > 0 && typ.In(0) == contextType && (len(texts) < fixed || strings.TrimSpace(texts[0]) != "null") {
		arguments = append(arguments, reflect.ValueOf(ctx))
	}
	wanted := fixed - len(arguments)
	if len(texts) < wanted || len(texts) > wanted && !typ.IsVariadic() {
		return nil, wrongCount(wanted, len(texts), typ.IsVariadic(), len(arguments) > 0)
	}
	for i, text := range texts {
		position := len(arguments)
		var want reflect.Type
		if position < fixed {
			want = typ.In(position)
		} else {
			want = typ.In(fixed).Elem()
		}
		value, err := decode(text, want)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		if want == contextType {
			value = reflect.ValueOf(ctx)
		}
		arguments = append(arguments, value)
	}
	return arguments, nil
}

func takesContext(function reflect.Type) bool {
	for i := 0; i < function.NumIn(); i++ {
		if function.In(i) == contextType {
			return true
		}
	}
	return false
}

func wrongCount(wanted, given int, variadic, contextMade bool) error {
	atLeast, made := "", ""
	if variadic {
		atLeast = "at least "
	}
	if contextMade {
		made = " besides the context, which the host makes"
	}
	return fmt.Errorf("takes %s%d argument(s)%s, %d given", atLeast, wanted, made, given)
}

// decode makes a value of the type from JSON, or says why it cannot.
func decode(text string, typ reflect.Type) (reflect.Value, error) {
	value := reflect.New(typ).Elem()
	return value, decodeInto(value, json.RawMessage(strings.TrimSpace(text)))
}

func decodeInto(v reflect.Value, raw json.RawMessage) error {
	if special, err := decodeSpecial(v, raw); special {
		return err
	}
	switch v.Kind() {
	case reflect.Bool:
		return plain(v, raw, v.Addr().Interface())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		number, err := strconv.ParseInt(string(raw), 10, v.Type().Bits())
		v.SetInt(number)
		return numeric(err, v, raw)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		number, err := strconv.ParseUint(string(raw), 10, v.Type().Bits())
		v.SetUint(number)
		return numeric(err, v, raw)
	case reflect.Float32, reflect.Float64:
		number, err := strconv.ParseFloat(unquoted(raw), v.Type().Bits())
		v.SetFloat(number)
		return numeric(err, v, raw)
	case reflect.Complex64, reflect.Complex128:
		number, err := strconv.ParseComplex(unquoted(raw), v.Type().Bits())
		v.SetComplex(number)
		return numeric(err, v, raw)
	case reflect.String:
		var text string
		err := plain(v, raw, &text)
		v.SetString(text)
		return err
	case reflect.Slice, reflect.Array:
		return decodeList(v, raw)
	case reflect.Map:
		return decodeMap(v, raw)
	case reflect.Struct:
		return decodeStruct(v, raw)
	case reflect.Ptr:
		v.Set(reflect.New(v.Type().Elem()))
		return decodeInto(v.Elem(), raw)
	case reflect.Interface:
		if v.NumMethod() == 0 {
			return decodeAny(v, raw)
		}
	}
	return fmt.Errorf("%s cannot be made from JSON; only null is possible", v.Type())
}

// decodeSpecial serves null and the types that have a form of their own; false when the value is none of them.
func decodeSpecial(v reflect.Value, raw json.RawMessage) (bool, error) {
	switch {
	case string(raw) == "null":
		switch v.Kind() {
		case reflect.Ptr, reflect.Map, reflect.Slice, reflect.Interface, reflect.Func, reflect.Chan, reflect.UnsafePointer:
			return true, nil // the zero value is nil
		}
		return true, mismatch(v, raw)
	case v.Type() == durationType && raw[0] == '"':
		length, err := time.ParseDuration(unquoted(raw))
		v.SetInt(int64(length))
		return true, err
	case v.Type() == errorType:
		var text string
		err := plain(v, raw, &text)
		v.Set(reflect.ValueOf(errors.New(text)))
		return true, err
	case v.Type() == writerType:
		streams := map[string]*os.File{`"@stdout"`: os.Stdout, `"@stderr"`: os.Stderr}
		stream, ok := streams[string(raw)]
		if !ok {
			return true, errors.New(`io.Writer is written "@stdout" or "@stderr"`)
		}
		v.Set(reflect.ValueOf(stream))
		return true, nil
	case v.Type() == readerType:
		var text string
		err := plain(v, raw, &text)
		v.Set(reflect.ValueOf(strings.NewReader(text)))
		return true, err
	case v.Type() == contextType:
		return true, errors.New("context.Context is made by the host: write null, or leave it out")
	case v.Kind() != reflect.Interface && v.Addr().Type().Implements(jsonUnmarshalerType),
		v.Kind() != reflect.Interface && v.Addr().Type().Implements(textUnmarshalerType):
		return true, json.Unmarshal(raw, v.Addr().Interface())
	}
	return false, nil
}

// plain lets encoding/json do a bool or a string; the target has the same kind as the value.
func plain(v reflect.Value, raw json.RawMessage, target any) error {
	if json.Unmarshal(raw, target) != nil {
		return mismatch(v, raw)
	}
	return nil
}

func mismatch(v reflect.Value, raw json.RawMessage) error {
	return fmt.Errorf("%s is not of type %s", clip(string(raw), 80), v.Type())
}

func numeric(err error, v reflect.Value, raw json.RawMessage) error {
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%s is out of range for %s", raw, v.Type())
	}
	if err != nil {
		return mismatch(v, raw)
	}
	return nil
}

// unquoted is the text of a JSON string, or the JSON itself: numbers such as "NaN" and "1+2i" need quotes.
func unquoted(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return string(raw)
	}
	return text
}

func quoted(text string) string {
	asJSON, _ := json.Marshal(text)
	return string(asJSON)
}

func decodeList(v reflect.Value, raw json.RawMessage) error {
	if raw[0] == '"' && v.Type().Elem().Kind() == reflect.Uint8 {
		return decodeBytes(v, []byte(unquoted(raw)))
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil {
		return mismatch(v, raw)
	}
	if v.Kind() == reflect.Slice {
		v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	} else if v.Len() != len(items) {
		return fmt.Errorf("%s needs %d elements, %d given", v.Type(), v.Len(), len(items))
	}
	for i, item := range items {
		if err := decodeInto(v.Index(i), item); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

// decodeBytes fills a slice or an array of bytes from text.
func decodeBytes(v reflect.Value, text []byte) error {
	if v.Kind() == reflect.Slice {
		v.Set(reflect.MakeSlice(v.Type(), len(text), len(text)))
	} else if v.Len() != len(text) {
		return fmt.Errorf("%s needs %d bytes, %d given", v.Type(), v.Len(), len(text))
	}
	for i, b := range text {
		v.Index(i).SetUint(uint64(b))
	}
	return nil
}

func decodeMap(v reflect.Value, raw json.RawMessage) error {
	var entries map[string]json.RawMessage
	if json.Unmarshal(raw, &entries) != nil {
		return mismatch(v, raw)
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(entries)))
	for name, text := range entries {
		keyText := name
		if kind := v.Type().Key().Kind(); kind == reflect.String || kind > reflect.Complex128 {
			keyText = quoted(name)
		}
		key, err := decode(keyText, v.Type().Key())
		if err != nil {
			return fmt.Errorf("key %q: %w", name, err)
		}
		value, err := decode(string(text), v.Type().Elem())
		if err != nil {
			return fmt.Errorf("[%q]: %w", name, err)
		}
		v.SetMapIndex(key, value)
	}
	return nil
}

func decodeStruct(v reflect.Value, raw json.RawMessage) error {
	var entries map[string]json.RawMessage
	if json.Unmarshal(raw, &entries) != nil {
		return mismatch(v, raw)
	}
	for name, text := range entries {
		field, err := fieldNamed(v.Type(), name)
		if err != nil {
			return err
		}
		if err := decodeInto(v.FieldByIndex(field.Index), text); err != nil {
			return fmt.Errorf(".%s: %w", name, err)
		}
	}
	return nil
}

// fieldNamed finds a field by its json tag or its Go name.
func fieldNamed(typ reflect.Type, name string) (reflect.StructField, error) {
	var names []string
	for i := 0; i < typ.NumField(); i++ {
		field := typ.Field(i)
		tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == field.Name || name == tag {
			if !field.IsExported() {
				return field, fmt.Errorf("field %s of %s is not exported", name, typ)
			}
			return field, nil
		}
		if field.IsExported() {
			names = append(names, field.Name)
		}
	}
	return reflect.StructField{}, fmt.Errorf("%s has no field %s; it has %s", typ, name, strings.Join(names, ", "))
}

// decodeAny fills an empty interface as encoding/json does, but whole numbers that fit become int.
func decodeAny(v reflect.Value, raw json.RawMessage) error {
	reader := json.NewDecoder(bytes.NewReader(raw))
	reader.UseNumber()
	var data any
	if err := reader.Decode(&data); err != nil {
		return mismatch(v, raw)
	}
	if data = withNumbers(data); data != nil {
		v.Set(reflect.ValueOf(data))
	}
	return nil
}

func withNumbers(data any) any {
	switch typed := data.(type) {
	case json.Number:
		if whole, err := strconv.Atoi(typed.String()); err == nil {
			return whole
		}
		number, _ := typed.Float64()
		return number
	case []any:
		for i := range typed {
			typed[i] = withNumbers(typed[i])
		}
	case map[string]any:
		for key := range typed {
			typed[key] = withNumbers(typed[key])
		}
	}
	return data
}
