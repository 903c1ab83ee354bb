package tree

import (
	"bytes"
	"embed"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/asim"
)

// One file a table: rows as the connector's data collection rule stores them, made up,
// each with the schema that it is a sample of.
//
//go:embed samples/*.csv
var rows embed.FS

// Table is where the events of a product are.
func Table(product string) string {
	return map[string]string{"SailPointISC": "SailPointIDN_Events_CL", "SailPointIIQ": "SailPointIIQ_Audit_CL"}[product]
}

// eventProduct is EventProduct in the rows of a product's parsers.
func eventProduct(product string) string {
	return map[string]string{"SailPointISC": "Identity Security Cloud", "SailPointIIQ": "IdentityIQ"}[product]
}

// SampleFile is the name that the repository's checks look for.
func SampleFile(vendor, product, schema string) string {
	return fmt.Sprintf("%s_%s_%s_IngestedLogs.csv", vendor, product, schema)
}

// Sample is the header and the rows of a product's sample for a schema.
func Sample(product, schema string) (header []string, lines [][]string, err error) {
	text, err := rows.ReadFile("samples/" + Table(product) + ".csv")
	if err != nil {
		return nil, nil, err
	}
	all, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, nil, err
	}
	for _, l := range all[1:] {
		if l[0] == schema {
			lines = append(lines, append(l[1:], Table(product)))
		}
	}
	return append(all[0][1:], "Type"), lines, nil
}

func samples(root string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, product := range asim.Products() {
		for _, schema := range asim.Schemas() {
			header, lines, err := Sample(product, schema)
			if err != nil {
				return nil, err
			}
			header[slices.Index(header, "TimeGenerated")] = "TimeGenerated [UTC]"
			files["Sample Data/ASIM/"+SampleFile("SailPoint", eventProduct(product), schema)] = write(append([][]string{header}, lines...))
		}
		declared, err := columns(root, product)
		if err != nil {
			return nil, err
		}
		files["Sample Data/ASIM/"+Table(product)+"_Schema.csv"] = write(declared)
	}
	return files, nil
}

func write(lines [][]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.WriteAll(lines) // to memory
	return b.Bytes()
}

// columns is the table of a product in the form in which the repository has tables.
func columns(root, product string) ([][]string, error) {
	variant := map[string]string{"SailPointISC": "events-dcr", "SailPointIIQ": "iiq-audit-dcr"}[product]
	text, err := os.ReadFile(filepath.Join(root, "sentinel", "schemas", variant+".json"))
	if err != nil {
		return nil, err
	}
	var tables map[string]map[string]string
	if err := json.Unmarshal(text, &tables); err != nil {
		return nil, fmt.Errorf("read %s: %w", variant, err)
	}
	types := tables[Table(product)]
	types["Type"] = "string"
	system := map[string]string{"string": "System.String", "datetime": "System.DateTime", "real": "System.Double", "long": "System.Int64", "int": "System.Int32", "bool": "System.SByte", "dynamic": "System.Object"}
	lines := [][]string{{"ColumnName", "ColumnOrdinal", "DataType", "ColumnType"}}
	names := make([]string, 0, len(types))
	for name := range types {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return strings.Compare(order(a), order(b))
	})
	for i, name := range names {
		if system[types[name]] == "" {
			return nil, fmt.Errorf("%s: nothing is known of the type %s", name, types[name])
		}
		lines = append(lines, []string{name, strconv.Itoa(i), system[types[name]], types[name]})
	}
	return lines, nil
}

// order puts TimeGenerated first and Type last.
func order(column string) string {
	switch column {
	case "TimeGenerated":
		return ""
	case "Type":
		return "~"
	}
	return strings.ToLower(column)
}
