package kqltest

import (
	"fmt"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// Analyse is Check for generators, which have no test to fail.
func (w *Workspace) Analyse(query string) (checked Checked, err error) {
	defer func() {
		if r := recover(); r != nil {
			text, ok := r.(stopped)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%s", string(text))
		}
	}()
	return w.Check(noTest{}, query), nil
}

// ColumnsOf returns what tells the columns of each of the functions, where no table exists.
func ColumnsOf(functions []Function) func(Function) ([]Column, error) {
	w := &Workspace{Tables: map[string]jsontext.Value{}, Functions: functions}
	return func(f Function) ([]Column, error) {
		checked, err := w.Analyse(f.Name)
		if err != nil {
			return nil, err
		}
		if len(checked.Errors) > 0 {
			return nil, fmt.Errorf("%v", checked.Errors)
		}
		return checked.Columns, nil
	}
}

// noTest stands where there is no test: what would end one ends Analyse.
type noTest struct{ testing.TB }

type stopped string

func (noTest) Helper() {}

func (noTest) Fatal(args ...any) { panic(stopped(fmt.Sprint(args...))) }

func (noTest) Fatalf(format string, args ...any) { panic(stopped(fmt.Sprintf(format, args...))) }
