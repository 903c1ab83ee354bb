package content

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
)

// Workbook is a workbook with the queries of its tiles and parameters.
type Workbook struct {
	Text    string // the file: what a workbook resource has as serializedData
	Queries []Tile
	File    string
}

// Tile is one query of a workbook. Parameters stand in it as {Name} or {Name:format}.
type Tile struct {
	Name  string // of the tile, or "parameter " and the parameter's name
	Query string
}

// workbookItem is what is read of an item of any type.
type workbookItem struct {
	Name    string `json:"name"`
	Content struct {
		Query      string         `json:"query"`
		QueryType  int            `json:"queryType"` // 0: logs
		Items      []workbookItem `json:"items"`     // of a group
		Parameters []struct {
			Name  string `json:"name"`
			Query string `json:"query"`
		} `json:"parameters"`
	} `json:"content"`
}

// Workbooks reads the workbooks of the folder sentinel, sorted by file name.
func Workbooks(sentinel string) ([]Workbook, error) {
	paths, err := files(filepath.Join(sentinel, WorkbooksFolder), ".json")
	if err != nil {
		return nil, err
	}
	books := make([]Workbook, 0, len(paths))
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			return nil, err
		}
		var doc struct {
			Items []workbookItem `json:"items"`
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			return nil, fmt.Errorf("read %s: %w", p, err)
		}
		books = append(books, Workbook{Text: string(text), Queries: tiles(doc.Items), File: base(p)})
	}
	return books, nil
}

func tiles(items []workbookItem) []Tile {
	var all []Tile
	for _, i := range items {
		if strings.TrimSpace(i.Content.Query) != "" {
			all = append(all, Tile{Name: i.Name, Query: i.Content.Query})
		}
		for _, p := range i.Content.Parameters {
			if p.Query != "" {
				all = append(all, Tile{Name: "parameter " + p.Name, Query: p.Query})
			}
		}
		all = append(all, tiles(i.Content.Items)...)
	}
	return all
}
