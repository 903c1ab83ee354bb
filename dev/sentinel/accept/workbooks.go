package accept

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

const bookList = "Workbooks/WorkbooksMetadata.json"

var resourceOfSomebody = regexp.MustCompile(`subscriptions/[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`)

// entries runs f on each entry of the list of workbooks, which is checked as a whole when it changes.
func entries(t Tree, f func(e object) []string) []string {
	return t.each(func(name string) bool { return name == bookList }, func(_ string, raw []byte) []string {
		var problems []string
		all, _ := parsed(raw).([]any)
		for i, e := range all {
			o, _ := e.(object)
			for _, p := range f(o) {
				problems = append(problems, fmt.Sprintf("entry %d %s: %s", i, text(o, "workbookKey"), p))
			}
		}
		return problems
	})
}

func strs(v any) []string {
	var out []string
	l, _ := v.([]any)
	for _, one := range l {
		s, _ := one.(string)
		out = append(out, s)
	}
	return out
}

func has(name string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(name), w) })
}

func workbooks() []Check { //nolint:funlen,gocyclo // a table: each check is short
	return []Check{
		{"workbooks: no template of a user, no resource", ".script/utils/workbookCheckers/workbookTemplateCheckers", func(t Tree) []string {
			return t.each(func(name string) bool { return below("Workbooks", ".json")(name) && name != bookList }, func(_ string, raw []byte) []string {
				var problems []string
				if text(parsed(raw), "fromTemplateId") == "sentinel-UserWorkbook" {
					problems = append(problems, "fromTemplateId is sentinel-UserWorkbook")
				}
				if m := resourceOfSomebody.Find(raw); m != nil {
					problems = append(problems, "it names "+string(m))
				}
				return problems
			})
		}},
		{"workbooks: form of the list", ".script/utils/schemas/workbooksMetadataSchema.json", func(t Tree) []string {
			required := map[string]bool{"workbookKey": false, "logoFileName": false, "description": false, "dataTypesDependencies": true, "dataConnectorsDependencies": true, "previewImagesFileNames": true, "version": false, "title": false, "templateRelativePath": false, "subtitle": false, "provider": false}
			allowed := []string{"featureFlag", "source", "author", "support", "categories", "threatAnalysisTactics", "threatAnalysisTechniques"}
			return entries(t, func(e object) []string {
				var problems []string
				for name, isList := range required {
					_, l := e[name].([]any)
					_, s := e[name].(string)
					if (isList && !l) || (!isList && !s) {
						problems = append(problems, name+" is missing or has another type")
					}
				}
				for name := range e {
					if _, ok := required[name]; !ok && !slices.Contains(allowed, name) {
						problems = append(problems, "it has "+name)
					}
				}
				return problems
			})
		}},
		{"workbooks: keys", ".script/utils/workbookCheckers/uniqueWorkbookKeyChecker.ts", func(t Tree) []string {
			seen := map[string]bool{}
			return entries(t, func(e object) []string {
				key := text(e, "workbookKey")
				if seen[key] {
					return []string{"another has this key"}
				}
				seen[key] = true
				return nil
			})
		}},
		{"workbooks: dependencies", ".script/utils/workbookCheckers/emptyDependencyFormat.ts", func(t Tree) []string {
			return entries(t, func(e object) []string {
				if slices.Contains(strs(e["dataTypesDependencies"]), "") || slices.Contains(strs(e["dataConnectorsDependencies"]), "") {
					return []string{"an empty dependency"}
				}
				return nil
			})
		}},
		{"workbooks: names of previews", ".script/utils/workbookCheckers/previewImageChecker.ts", func(t Tree) []string {
			return entries(t, func(e object) []string {
				var problems []string
				dark, light := 0, 0
				for _, name := range strs(e["previewImagesFileNames"]) {
					if !strings.HasSuffix(strings.ToLower(name), ".png") {
						problems = append(problems, name+" is no PNG")
					}
					if has(name, "black", "dark") {
						dark++
					}
					if has(name, "white", "light") {
						light++
					}
					if !has(name, "black", "dark", "white", "light") {
						problems = append(problems, name+" is of no theme")
					}
				}
				if dark == 0 || light == 0 {
					problems = append(problems, "want previews of both themes")
				}
				return problems
			})
		}},
		{"workbooks: images exist", ".script/utils/workbookCheckers/imageExistChecker.ts", func(t Tree) []string {
			return entries(t, func(e object) []string {
				var problems []string
				file := func(name string) {
					_, is := t.Files[name]
					if _, was := t.Before[name]; !is && !was {
						problems = append(problems, "no "+name)
					}
				}
				if l := text(e, "logoFileName"); l != "" {
					file("Workbooks/Images/Logos/" + l)
				}
				for _, name := range strs(e["previewImagesFileNames"]) {
					file("Workbooks/Images/Preview/" + name)
				}
				return problems
			})
		}},
		{"workbooks: a new version", ".script/utils/workbookCheckers/isVersionIncrementedOnModification.ts", func(t Tree) []string {
			old := map[string]string{}
			was, _ := parsed(t.Before[bookList]).([]any)
			for _, e := range was {
				old[text(e, "templateRelativePath")] = text(e, "version")
			}
			changed := t.changed()
			return entries(t, func(e object) []string {
				file := text(e, "templateRelativePath")
				before, ok := old[file]
				if ok && text(e, "version") <= before && slices.ContainsFunc(changed, func(name string) bool { return strings.HasSuffix(name, "Workbooks/"+file) }) {
					return []string{"the workbook has changed, and its version is " + before + " as before"}
				}
				return nil
			})
		}},
		{"workbooks: listed", "Tools/Create-Azure-Sentinel-Solution/V3/createSolutionV3.ps1 looks a workbook up by its file", func(t Tree) []string {
			listed := map[string]bool{}
			all, _ := parsed(t.Files[bookList]).([]any)
			for _, e := range all {
				listed[text(e, "templateRelativePath")] = true
			}
			return t.each(below("Workbooks", ".json"), func(name string, _ []byte) []string {
				if strings.HasPrefix(name, "Solutions/") && !listed[base(name)] {
					return []string{"it is not in " + bookList}
				}
				return nil
			})
		}},
	}
}
