package solution

import (
	"archive/zip"
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/idn-sentinel/idn-sentinel/dev/sentinel/content"
)

// Column is a column of a table or of what a function gives.
type Column struct {
	Name string `json:"Name"`
	Type string `json:"Type"`
}

// Source is what a tree is made of besides the content.
type Source struct {
	// Columns tells what a function gives.
	Columns func(content.Function) ([]Column, error)
	// Checkout is the solution repository, or nil. With it the tree has whatever the repository has of
	// this solution and we do not update; without it, the tree is only what we add or update.
	Checkout fs.FS
	// Extra are files of other parts of the repository, such as ASIM parsers.
	Extra map[string][]byte
}

const (
	kqlTests         = ".script/tests/KqlvalidationsTests/"
	workbookMetadata = "Workbooks/WorkbooksMetadata.json"
)

// Tree returns the files of a variant by their path in the solution repository.
func (s *Solution) Tree(v Variant, src Source) (map[string][]byte, error) {
	before, err := existing(src.Checkout, v)
	if err != nil {
		return nil, err
	}
	base := "Solutions/" + v.Folder + "/"
	tree := map[string][]byte{}
	for name, text := range before {
		tree[base+name] = text
	}
	for name, text := range s.files {
		tree[base+name] = text
	}
	parsers, err := s.parsers()
	if err != nil {
		return nil, err
	}
	for name, text := range parsers {
		tree[base+"Parsers/"+path.Base(name)] = text
	}
	tree[base+v.Connector] = s.pageOf(v)
	tree[base+"ReleaseNotes.md"] = releaseNotes(s.files["ReleaseNotes.md"], before["ReleaseNotes.md"])
	for _, part := range []func(map[string][]byte, string, Variant, Source) error{s.addPackage, s.addLists, s.addDeclarations, s.addWorkbookMetadata} {
		if err := part(tree, base, v, src); err != nil {
			return nil, err
		}
	}
	for name, text := range src.Extra {
		if _, ok := tree[name]; ok {
			return nil, fmt.Errorf("%s is made twice", name)
		}
		tree[name] = text
	}
	return tree, nil
}

// existing are the files that the repository has of a variant, by their path in its folder.
func existing(checkout fs.FS, v Variant) (map[string][]byte, error) {
	files := map[string][]byte{}
	if checkout == nil {
		return files, nil
	}
	root := "Solutions/" + v.Folder
	if _, err := fs.Stat(checkout, root); err != nil {
		return nil, fmt.Errorf("the checkout of the solution repository: %w", err)
	}
	err := fs.WalkDir(checkout, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(checkout, name)
		if err != nil {
			return err
		}
		files[strings.TrimPrefix(name, root+"/")] = text
		return nil
	})
	return files, err
}

// addPackage adds the template and the form, and the archive of both.
func (s *Solution) addPackage(tree map[string][]byte, base string, v Variant, _ Source) error {
	p, err := s.pack(v)
	if err != nil {
		return err
	}
	if old, ok := tree[base+"Package/mainTemplate.json"]; ok {
		if p, err = kept(p, old); err != nil {
			return err
		}
	}
	template, err := s.text(p, v)
	if err != nil {
		return err
	}
	form, err := s.packageForm(p.counts, v)
	if err != nil {
		return err
	}
	test, err := pretty(p.parameters)
	if err != nil {
		return err
	}
	archive, err := zipped(map[string][]byte{"mainTemplate.json": template, "createUiDefinition.json": form})
	if err != nil {
		return err
	}
	folder := base + "Package/"
	tree[folder+"mainTemplate.json"], tree[folder+"createUiDefinition.json"], tree[folder+"testParameters.json"], tree[folder+s.Version+".zip"] = template, form, test, archive
	return nil
}

// zipped makes an archive whose bytes depend on its files alone.
func zipped(files map[string][]byte) ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// addLists adds what the tools of the repository read: the list that they pack from, the publisher, the
// change history.
func (s *Solution) addLists(tree map[string][]byte, base string, v Variant, _ Source) error {
	list := object{
		"Name": v.Folder, "Author": v.Author, "Version": s.Version, "Metadata": "SolutionMetadata.json",
		"Logo": `<img src="` + v.Logo + `" width="75px" height="75px">`, "Description": s.Description(),
		"BasePath": "Solutions/" + v.Folder, "TemplateSpec": true, "Is1PConnector": false,
	}
	// What is listed is what we have, then what was listed and is still there.
	old := object{}
	if text, ok := tree[base+v.Data]; ok {
		if err := json.Unmarshal(text, &old); err != nil {
			return fmt.Errorf("read %s of the checkout: %w", v.Data, err)
		}
	}
	lists := s.lists(v)
	for kind, member := range old {
		if paths, ok := member.([]any); ok {
			for _, p := range paths {
				name, _ := p.(string)
				if _, there := tree[base+name]; there && !slices.Contains(lists[kind], name) && !s.replaces(kind, tree[base+name]) {
					lists[kind] = append(lists[kind], name)
				}
			}
		} else if _, ours := list[kind]; !ours && !strings.EqualFold(kind, "Is1PConnector") {
			list[kind] = member // such as the version of the codeless connector
		}
	}
	for kind, paths := range lists {
		if len(paths) > 0 {
			list[kind] = paths
		}
	}
	text, err := pretty(list)
	if err != nil {
		return err
	}
	tree[base+v.Data] = text
	if tree[base+"SolutionMetadata.json"], err = pretty(v.Metadata); err != nil {
		return err
	}
	return nil
}

// lists are the files of each kind, below the folder of the solution.
func (s *Solution) lists(v Variant) map[string][]string {
	lists := map[string][]string{"Data Connectors": {v.Connector}}
	for _, f := range s.Functions {
		lists["Parsers"] = append(lists["Parsers"], "Parsers/"+f.Name+".yaml")
	}
	for _, r := range s.Rules {
		lists["Analytic Rules"] = append(lists["Analytic Rules"], content.RulesFolder+"/"+r.File+".yaml")
	}
	for _, h := range s.Hunts {
		lists["Hunting Queries"] = append(lists["Hunting Queries"], content.HuntingFolder+"/"+h.File+".yaml")
	}
	for _, w := range s.Workbooks {
		lists["Workbooks"] = append(lists["Workbooks"], content.WorkbooksFolder+"/"+w.File+".json")
	}
	for _, p := range s.Playbooks {
		lists["Playbooks"] = append(lists["Playbooks"], "Playbooks/"+p.Path)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Watchlists)) {
		lists["Watchlists"] = append(lists["Watchlists"], "Watchlists/"+name+".json")
	}
	return lists
}

// replaces is whether a parser of the repository is a function that we have under the same name.
func (s *Solution) replaces(kind string, text []byte) bool {
	if kind != "Parsers" {
		return false
	}
	var parser struct {
		Properties struct {
			Alias string `json:"functionAlias"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(text, &parser); err != nil {
		return false // YAML
	}
	return slices.ContainsFunc(s.Functions, func(f content.Function) bool { return f.Name == parser.Properties.Alias })
}

// releaseNotes puts our history above that of the repository: one table, the newest version first.
func releaseNotes(ours, theirs []byte) []byte {
	known := map[string]bool{}
	for _, m := range release.FindAllSubmatch(ours, -1) {
		known[string(m[1])] = true
	}
	out := bytes.TrimRight(ours, "\n")
	out = append(out, '\n')
	for line := range strings.Lines(string(theirs)) {
		if m := release.FindStringSubmatch(line); m != nil && !known[m[1]] {
			out = append(out, strings.TrimRight(line, "\r\n")+"\n"...)
		}
	}
	return out
}

// addDeclarations adds what the query check of the repository knows functions and tables by.
func (s *Solution) addDeclarations(tree map[string][]byte, _ string, v Variant, src Source) error {
	if v.OneClick {
		return nil // it is not for the repository
	}
	tables, err := s.customTables()
	if err != nil {
		return err
	}
	for name, text := range tables {
		file := kqlTests + "CustomTables/" + path.Base(name)
		if src.Checkout != nil && strings.Contains(name, "EventsV2") {
			if _, err := fs.Stat(src.Checkout, file); err == nil {
				continue // of the codeless connector, which the repository knows better
			}
		}
		tree[file] = text
	}
	for _, f := range s.Functions {
		columns, err := src.Columns(f)
		if err != nil {
			return fmt.Errorf("function %s: %w", f.Name, err)
		}
		type parameter struct {
			Name       string
			Type       string
			IsRequired bool
		}
		parameters := []parameter{}
		for _, m := range declaration.FindAllStringSubmatch(f.Params, -1) {
			parameters = append(parameters, parameter{Name: m[1], Type: m[2]})
		}
		text, err := pretty(struct {
			FunctionName          string
			FunctionParameters    []parameter
			FunctionResultColumns []Column
		}{f.Name, parameters, columns})
		if err != nil {
			return err
		}
		tree[kqlTests+"CustomFunctions/"+f.Name+".json"] = text
	}
	return nil
}

// bookEntry is an entry of WorkbooksMetadata.json.
type bookEntry struct {
	WorkbookKey                string     `json:"workbookKey"`
	LogoFileName               string     `json:"logoFileName"`
	Description                string     `json:"description"`
	DataTypesDependencies      []string   `json:"dataTypesDependencies"`
	DataConnectorsDependencies []string   `json:"dataConnectorsDependencies"`
	PreviewImagesFileNames     []string   `json:"previewImagesFileNames"`
	Version                    string     `json:"version"`
	Title                      string     `json:"title"`
	TemplateRelativePath       string     `json:"templateRelativePath"`
	Subtitle                   string     `json:"subtitle"`
	Provider                   string     `json:"provider"`
	Support                    Support    `json:"support"`
	Author                     object     `json:"author"`
	Source                     object     `json:"source"`
	Categories                 Categories `json:"categories"`
}

// addWorkbookMetadata adds the entries of the workbooks to the one list that the repository has, and the
// images that they name. Without a checkout it cannot be added to, and is written beside it.
func (s *Solution) addWorkbookMetadata(tree map[string][]byte, base string, v Variant, src Source) error {
	logo := s.files["Logos/"+logoFile]
	if len(logo) == 0 {
		return fmt.Errorf("no sentinel/Logos/%s", logoFile)
	}
	delete(tree, base+"Logos/"+logoFile)
	if v.OneClick {
		return nil
	}
	tree["Logos/"+logoFile], tree["Workbooks/Images/Logos/"+logoFile] = logo, logo
	var ours []bookEntry
	for _, w := range s.Workbooks {
		entry := bookEntry{
			WorkbookKey: w.File + "Workbook", LogoFileName: logoFile, Description: about(w),
			DataTypesDependencies: tablesOf(w), DataConnectorsDependencies: []string{Name},
			Version: s.Version, Title: title(w), TemplateRelativePath: w.File + ".json", Provider: "SailPoint",
			Support: v.Metadata.Support, Author: object{"name": v.Author}, Source: object{"kind": "Solution", "name": v.Folder}, Categories: v.Metadata.Categories,
		}
		for _, theme := range []string{"Black", "White"} {
			name := w.File + theme + ".png"
			image := "Workbooks/Images/Preview/" + name
			picture, ok := s.files[image]
			if !ok {
				return fmt.Errorf("no sentinel/%s: draw it with go test ./dev/sentinel/previews -update", image)
			}
			tree[image] = picture
			entry.PreviewImagesFileNames = append(entry.PreviewImagesFileNames, name)
		}
		ours = append(ours, entry)
	}
	if src.Checkout == nil {
		text, err := pretty(ours)
		tree["Workbooks/WorkbooksMetadata.add.json"] = text
		return err
	}
	text, err := fs.ReadFile(src.Checkout, workbookMetadata)
	if err != nil {
		return fmt.Errorf("the checkout of the solution repository: %w", err)
	}
	tree[workbookMetadata], err = appended(text, ours)
	return err
}

// tablesOf are the tables that a workbook is about.
func tablesOf(w content.Workbook) []string {
	if strings.Contains(w.File, "Health") {
		return []string{"SailPointIDN_Health_CL"}
	}
	return []string{"SailPointIDN_Events_CL", "SailPointISC_Events_CL"}
}

// appended puts entries behind those of a list that it otherwise leaves as it is: the repository's list is
// long, and a diff of it has to be short. Entries with the same key are replaced.
func appended(list []byte, entries []bookEntry) ([]byte, error) {
	var all []object
	if err := json.Unmarshal(list, &all); err != nil {
		return nil, fmt.Errorf("read %s of the checkout: %w", workbookMetadata, err)
	}
	ours := map[string]bool{}
	for _, e := range entries {
		ours[e.WorkbookKey] = true
	}
	if slices.ContainsFunc(all, func(o object) bool { key, _ := o["workbookKey"].(string); return ours[key] }) {
		all = slices.DeleteFunc(all, func(o object) bool { key, _ := o["workbookKey"].(string); return ours[key] })
		out := make([]any, 0, len(all)+len(entries))
		for _, o := range all {
			out = append(out, o)
		}
		for _, e := range entries {
			out = append(out, e)
		}
		return pretty(out)
	}
	added, err := pretty(entries)
	if err != nil {
		return nil, err
	}
	head := bytes.TrimRight(bytes.TrimSpace(list), "]")
	if len(head) == len(bytes.TrimSpace(list)) {
		return nil, fmt.Errorf("%s of the checkout is no list", workbookMetadata)
	}
	head = bytes.TrimSpace(head)
	if len(all) > 0 {
		head = append(slices.Clone(head), ',')
	}
	return append(append(slices.Clone(head), '\n'), bytes.TrimLeft(bytes.TrimSpace(added), "[\n")...), nil
}

// watchlistPart reads Watchlists/<name>.json: the resource of a watchlist, in a list or in a template.
func watchlistPart(text []byte) (resource object, name string, err error) {
	var list []object
	if err := json.Unmarshal(text, &list); err != nil {
		var template struct {
			Resources []object `json:"resources"`
		}
		if err := json.Unmarshal(text, &template); err != nil {
			return nil, "", fmt.Errorf("read a watchlist: %w", err)
		}
		list = template.Resources
	}
	if len(list) != 1 {
		return nil, "", fmt.Errorf("a file of a watchlist has %d resources, want one", len(list))
	}
	properties, _ := list[0]["properties"].(object)
	name, _ = cmp.Or[any](properties["watchlistAlias"], properties["displayName"]).(string)
	resource = maps.Clone(list[0])
	resource["name"] = "[concat(parameters('workspace'), '/Microsoft.SecurityInsights/', variables('wl_" + name + "'))]"
	return resource, name, nil
}
