package pages_test

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The table of docs/cost.md multiplies and adds up, and its headline says the same.
func TestCost(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "docs", "cost.md"))
	if err != nil {
		t.Fatal(err)
	}
	number := func(cell string) float64 {
		t.Helper()
		n, err := strconv.ParseFloat(strings.Trim(cell, "* "), 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	_, table, _ := strings.Cut(string(data), "| What | Quantity charged")
	table, _, _ = strings.Cut(table, "\n\n")
	var sum float64
	lines := strings.Split(table, "\n")[2:]
	if len(lines) < 10 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines[:len(lines)-1] {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		amount := number(cells[3])
		if strings.TrimSpace(cells[0]) == "**sum**" {
			if math.Abs(amount-sum) > 0.004 {
				t.Errorf("the sum is %.2f, not %.2f", sum, amount)
			}
			if !strings.Contains(string(data), "About **"+strconv.Itoa(int(math.Round(sum)))+" USD a month") {
				t.Errorf("the headline does not say %.0f USD", sum)
			}
			continue
		}
		sum += amount
		if product := number(cells[1]) * number(cells[2]); math.Abs(product-amount) > 0.0051 {
			t.Errorf("%s: %.3f, not %.2f", cells[0], product, amount)
		}
	}
	_, table, _ = strings.Cut(string(data), "| What, for each connection")
	table, _, _ = strings.Cut(table, "\n\n")
	sum = 0
	for _, line := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		amount := number(cells[3])
		if strings.TrimSpace(cells[0]) == "**sum**" {
			if math.Abs(amount-sum) > 0.004 {
				t.Errorf("the sum of a connection is %.2f, not %.2f", sum, amount)
			}
			continue
		}
		sum += amount
		if product := number(cells[1]) * number(cells[2]); math.Abs(product-amount) > 0.0051 {
			t.Errorf("%s: %.3f, not %.2f", cells[0], product, amount)
		}
	}
	cells := strings.Split(strings.Trim(lines[len(lines)-1], "|"), "|")
	if product := number(cells[1]) * number(cells[2]); math.Abs(product-number(cells[3])) > 0.0051 || !strings.Contains(string(data), "about "+strings.TrimSpace(cells[3])+" USD for each million events") {
		t.Errorf("a million events: %.2f", product)
	}
}
