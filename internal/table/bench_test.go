package table_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/idn-sentinel/idn-sentinel/internal/table"
)

// event is a synthetic event of about 1 KB in the shape of a real one.
func event() jsontext.Value {
	return jsontext.Value(`{"org":"acme","pod":"stg01-useast1","created":"2026-09-01T00:00:01.234Z",` +
		`"id":"5f1c9f2d7a0e4b6c8d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c","action":"AddEntitlement",` +
		`"type":"PROVISIONING","actor":{"name":"Adam Kennedy"},"target":{"name":"Marié-Lou \"ML\" Ünal"},"stack":"tpe",` +
		`"trackingNumber":"63f891e0735f4cc8bf1968144a1e7440","ipAddress":"203.0.113.7","details":"63f891e0735f4cc8bf1968144a1e7440",` +
		`"attributes":{"sourceName":"Corporate Active Directory","accountName":"CN=Kennedy\\, Adam,OU=Users,DC=acme,DC=example",` +
		`"attributeName":"memberOf","attributeValue":"CN=finance-readers,OU=Groups,DC=acme,DC=example","operation":"Add",` +
		`"interface":"OpenConnector","cloudAppName":"Corporate Active Directory","scope":"[\"sp:scopes:all\"]","duration":1234,` +
		`"sourceId":"2c9180857182305e0171993735622948","appId":"22751","ratio":0.75,"partial":false,"flow":"AccessRequest"},` +
		`"objects":["ENTITLEMENT","ACCOUNT"],"operation":"ADD","status":"PASSED","technicalName":"ENTITLEMENT_ADD_PASSED",` +
		`"name":"Add Entitlement Passed","synced":"2026-09-01T00:00:01.300Z","_type":"event","_version":"v7"}`)
}

// wide is a record with many columns, which needs the larger set of names.
func wide() jsontext.Value {
	var b strings.Builder
	for i := range 400 {
		fmt.Fprintf(&b, `,"column%d":"value %d"`, i, i)
	}
	return jsontext.Value("{" + b.String()[1:] + "}")
}

func TestConformAllocatesNothing(t *testing.T) {
	rules := table.Classic()
	for name, raw := range map[string]jsontext.Value{
		"event":   event(),
		"wide":    wide(),
		"numbers": jsontext.Value(`{"a":0.1234567890123456,"b":9007199254740991,"c":1.7976931348623157e308}`),
		"escapes": jsontext.Value(`{"a":"` + strings.Repeat(`\u00eb`, 10_000) + `"}`),
	} {
		t.Run(name, func(t *testing.T) {
			if _, changes, err := rules.Conform(raw); changes != nil || err != nil {
				t.Fatal(changes, err)
			}
			n := testing.AllocsPerRun(100, func() { _, _, _ = rules.Conform(raw) })
			if n != 0 {
				t.Errorf("%v allocations, want 0", n)
			}
		})
	}
}

func BenchmarkConform(b *testing.B) {
	for name, raw := range map[string]jsontext.Value{
		"event":    event(),
		"wide":     wide(),
		"long":     jsontext.Value(`{"a":"` + strings.Repeat("x", 30_000) + `"}`),
		"cyrillic": jsontext.Value(`{"a":"` + strings.Repeat("ж", 15_000) + `"}`),
		"mended":   append(event()[:len(event())-1:len(event())-1], `,"bad name":1}`...),
	} {
		b.Run(name, func(b *testing.B) {
			rules := table.Classic()
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := rules.Conform(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
