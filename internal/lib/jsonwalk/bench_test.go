package jsonwalk_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/idn-sentinel/idn-sentinel/internal/lib/jsonwalk"
)

// page is n synthetic events of about 1 KB, shaped like those of a tenant.
func page(n int) []byte {
	var b bytes.Buffer
	b.WriteByte('[')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"org":"acme","pod":"stg01-useast1","created":"2026-09-01T00:00:%02d.%03dZ","id":"%064x","action":"AddEntitlement",`+
			`"type":"PROVISIONING","actor":{"name":"Adam Kennedy"},"target":{"name":"Marié-Lou \"ML\" Ünal"},"stack":"tpe",`+
			`"trackingNumber":"63f891e0735f4cc8bf1968144a1e7440","ipAddress":"203.0.113.7","details":"63f891e0735f4cc8bf1968144a1e7440",`+
			`"attributes":{"sourceName":"Corporate Active Directory","accountName":"CN=Kennedy\\, Adam,OU=Users,DC=acme,DC=example",`+
			`"attributeName":"memberOf","attributeValue":"CN=finance-readers,OU=Groups,DC=acme,DC=example","operation":"Add",`+
			`"interface":"OpenConnector","cloudAppName":"Corporate Active Directory","scope":"[\"sp:scopes:all\"]","duration":"1234",`+
			`"sourceId":"2c9180857182305e0171993735622948","appId":"22751","provisioningResult":"committed","flow":"AccessRequest"},`+
			`"objects":["ENTITLEMENT","ACCOUNT"],"operation":"ADD","status":"PASSED","technicalName":"ENTITLEMENT_ADD_PASSED",`+
			`"name":"Add Entitlement Passed","synced":"2026-09-01T00:00:%02d.%03dZ","_type":"event","_version":"v7"}`,
			i/1000%60, i%1000, i, i/1000%60, i%1000)
	}
	b.WriteByte(']')
	return b.Bytes()
}

func BenchmarkWalk(b *testing.B) { benchmark(b, jsonwalk.Walk) }

func BenchmarkShapes(b *testing.B) { benchmark(b, new(jsonwalk.Shapes).Walk) }

func benchmark(b *testing.B, walk func([]byte, []string, func(jsonwalk.Element) error) error) {
	b.Helper()
	body := page(1000)
	names := []string{"id", "created"}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	seen := 0
	for b.Loop() {
		if err := walk(body, names, func(e jsonwalk.Element) error {
			seen += len(e.Picks[0].Text)
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	if seen == 0 {
		b.Fatal("no id was picked")
	}
}
