package app

import (
	"github.com/idn-sentinel/idn-sentinel/internal/config"
	"github.com/idn-sentinel/idn-sentinel/internal/source"
	"github.com/idn-sentinel/idn-sentinel/internal/table/schema"
)

// SettingKinds returns the kinds of sources for [config.Load].
func SettingKinds() []config.Kind {
	var list []config.Kind
	for _, k := range kinds() {
		list = append(list, k.settings)
	}
	return list
}

// Tables returns all tables that the connector fills: those of the sources and the health
// table.
func Tables() []schema.Table {
	var list []schema.Table
	for _, k := range kinds() {
		list = append(list, k.tables...)
	}
	return append(list, schema.Health())
}

// Manuals returns what each kind of source adds to help texts.
func Manuals() []source.Manual {
	var list []source.Manual
	for _, k := range kinds() {
		list = append(list, k.manual)
	}
	return list
}

// openSources opens the sources of a connection. It sends nothing.
func openSources(c config.Connection, o Options) (list []source.Connector) {
	eachSource(c, func(k kind, s config.Source) { list = append(list, k.open(s, c, o)) })
	return list
}

// largestPage returns how many records the largest page of the sources has.
func largestPage(c config.Connection) (most int) {
	eachSource(c, func(k kind, s config.Source) { most = max(most, k.pageRecords(s)) })
	return most
}

func eachSource(c config.Connection, do func(kind, config.Source)) {
	registered := kinds()
	for _, s := range c.Sources {
		for _, k := range registered {
			if k.settings.Name == s.Kind() {
				do(k, s)
			}
		}
	}
}
