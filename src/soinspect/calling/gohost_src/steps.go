package main

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// carryOut does one step and reports it; false ends the run.
func (h *host) carryOut(index int, s step, timeout time.Duration) bool {
	h.emit(event{Event: "started", Step: index})
	target, err := h.find(s.Symbol)
	if err != nil {
		return h.refuse(index, err, nil)
	}
	switch {
	case s.Value != nil:
		return h.assign(index, target, *s.Value)
	case s.Arguments == nil && !target.callable:
		h.emit(event{Event: "read", Step: index, Values: []shown{show(target.value)}})
		return true
	default:
		return h.call(index, target, s.Arguments, timeout)
	}
}

func (h *host) refuse(index int, reason error, typ reflect.Type) bool {
	refusal := event{Event: "refused", Step: index, Reason: reason.Error()}
	if typ != nil {
		refusal.Type = typ.String()
	}
	h.emit(refusal)
	return false
}

// target is what a name stands for; callable tells a function or method from a variable (of func type, perhaps).
type target struct {
	value    reflect.Value
	callable bool
}

// find resolves "Name", "Name.Field" and "Name.Method", to any depth.
func (h *host) find(path string) (target, error) {
	parts := strings.Split(path, ".")
	symbol, err := h.plugin.Lookup(parts[0])
	if err != nil {
		return target{}, err
	}
	found := target{value: reflect.ValueOf(symbol), callable: true}
	if found.value.Kind() == reflect.Ptr {
		found = target{value: found.value.Elem()}
	}
	for i, name := range parts[1:] {
		found, err = member(found, name)
		if err != nil {
			return target{}, fmt.Errorf("%s: %w", strings.Join(parts[:i+1], "."), err)
		}
	}
	return found, nil
}

// member finds a method or a field by name, through pointers and interfaces.
func member(of target, name string) (target, error) {
	value := of.value
	for {
		if of.callable {
			return target{}, fmt.Errorf("is a func and has no %s", name)
		}
		if value.Kind() == reflect.Interface && value.IsNil() {
			return target{}, fmt.Errorf("is nil, so it has no %s", name)
		}
		if value.CanAddr() {
			if method := value.Addr().MethodByName(name); method.IsValid() {
				return target{value: method, callable: true}, nil
			}
		}
		if method := value.MethodByName(name); method.IsValid() {
			return target{value: method, callable: true}, nil
		}
		if value.Kind() != reflect.Ptr && value.Kind() != reflect.Interface {
			break
		}
		if value.IsNil() {
			return target{}, fmt.Errorf("is nil, so it has no %s", name)
		}
		value = value.Elem()
	}
	if value.Kind() == reflect.Struct {
		if field, ok := value.Type().FieldByName(name); ok {
			if !field.IsExported() {
				return target{}, fmt.Errorf("%s of %s is not exported", name, value.Type())
			}
			inner, err := value.FieldByIndexErr(field.Index)
			return target{value: inner}, err
		}
	}
	return target{}, fmt.Errorf("%s has no method or field %s%s", value.Type(), name, offered(value))
}

// offered lists the exported methods, for the user who mistyped one.
func offered(value reflect.Value) string {
	typ := value.Type()
	if value.CanAddr() {
		typ = reflect.PtrTo(typ)
	}
	if typ.NumMethod() == 0 {
		return ""
	}
	names := make([]string, 0, typ.NumMethod())
	for i := 0; i < typ.NumMethod(); i++ {
		names = append(names, typ.Method(i).Name)
	}
	return "; methods: " + strings.Join(names, ", ")
}

// assign sets a variable and reports it as it is then.
func (h *host) assign(index int, to target, text string) bool {
	if to.callable {
		return h.refuse(index, fmt.Errorf("is a func: only variables can be assigned"), to.value.Type())
	}
	if !to.value.CanSet() {
		return h.refuse(index, fmt.Errorf("cannot be assigned"), to.value.Type())
	}
	value, err := decode(text, to.value.Type())
	if err != nil {
		return h.refuse(index, err, to.value.Type())
	}
	to.value.Set(value)
	h.emit(event{Event: "assigned", Step: index, Values: []shown{show(to.value)}})
	return true
}

// call calls a function with arguments given as JSON.
func (h *host) call(index int, target target, texts []string, timeout time.Duration) bool {
	function := target.value
	if function.Kind() == reflect.Interface {
		function = function.Elem()
	}
	if function.Kind() != reflect.Func {
		return h.refuse(index, fmt.Errorf("is a variable and cannot be called"), target.value.Type())
	}
	if function.IsNil() {
		return h.refuse(index, fmt.Errorf("is a nil func"), function.Type())
	}
	ctx := context.Background()
	if takesContext(function.Type()) { // no timer for nothing: a plugin may have closed what timers need
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	arguments, err := decodeArguments(ctx, texts, function.Type())
	if err != nil {
		return h.refuse(index, err, function.Type())
	}
	given := arguments[len(arguments)-len(texts):] // without a context that the host made
	before := showWritable(given)
	h.emit(event{Event: "calling", Step: index, Type: function.Type().String()})
	start := time.Now()
	results := function.Call(arguments)
	took := time.Since(start)
	h.emit(event{
		Event:   "returned",
		Step:    index,
		Type:    function.Type().String(),
		Values:  showAll(results),
		Changed: changed(before, showWritable(given)),
		Nanos:   took.Nanoseconds(),
	})
	return true
}

// showWritable shows the arguments that a callee can write through.
func showWritable(arguments []reflect.Value) []shown {
	all := make([]shown, len(arguments))
	for i, argument := range arguments {
		switch argument.Kind() {
		case reflect.Ptr, reflect.Slice, reflect.Map:
			all[i] = show(argument)
		}
	}
	return all
}

// changed keeps the arguments that the callee wrote through, as they are after the call.
func changed(before, after []shown) []shown {
	var different []shown
	for i := range after {
		if before[i].Value != after[i].Value {
			after[i].Argument = i + 1
			different = append(different, after[i])
		}
	}
	return different
}
