package accept

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
)

const mainTemplate = "/Package/mainTemplate.json"

var (
	unbranded    = regexp.MustCompile(`\bSentinel\b`)
	solutionID   = regexp.MustCompile(`^[^.]+\.[^.]+$`)
	emailAddress = regexp.MustCompile(`^[^\s@]+@[^\s@]+\.[^\s@]+$`)
	webAddress   = regexp.MustCompile(`^https?://\S+$`)
)

// domains and verticals are those of .script/SolutionValidations/ValidDomainsVerticals.json.
func domains() []string {
	return []string{
		"Application", "Cloud Provider", "Compliance", "DevOps", "Identity", "Internet of Things (IoT)", "IT Operations", "Migration", "Networking", "Platform",
		"Security - Others", "Security - Threat Intelligence", "Security - Threat Protection", "Security - 0-day Vulnerability", "Security - Automation (SOAR)", "Security - Cloud Security",
		"Security - Information Protection", "Security - Insider Threat", "Security - Network", "Security - Vulnerability Management", "Storage", "Training and Tutorials", "User Behavior (UEBA)",
	}
}

func verticals() []string {
	return []string{"Aeronautics", "Education", "Finance", "Healthcare", "Manufacturing", "Retail"}
}

// about are the resources that say what a solution is: in packages of version 3, the content package.
func about(template object) []object {
	var all []object
	for _, r := range list(template, "resources") {
		if kind := text(r, "type"); strings.HasSuffix(kind, "/providers/metadata") || strings.HasSuffix(kind, "/providers/contentPackages") {
			resource, _ := r.(object)
			all = append(all, resource)
		}
	}
	return all
}

func solutions() []Check { //nolint:funlen,gocyclo // a table: each check is short
	onTemplates := func(f func(name string, template object, raw []byte) []string) func(Tree) []string {
		return func(t Tree) []string {
			return t.each(ending(mainTemplate), func(name string, raw []byte) []string { return f(name, parsedObject(raw), raw) })
		}
	}
	return []Check{
		{"domains and verticals", ".script/SolutionValidations/validDomainsVerticals.ts", onTemplates(func(_ string, template object, _ []byte) []string {
			var problems []string
			for _, r := range about(template) {
				categories, ok := at(r, "properties", "categories").(object)
				if !ok {
					continue
				}
				if len(list(categories, "domains")) == 0 {
					problems = append(problems, "no domain")
				}
				for kind, valid := range map[string][]string{"domains": domains(), "verticals": verticals()} {
					for _, one := range list(categories, kind) {
						if name, _ := one.(string); !slices.Contains(valid, name) {
							problems = append(problems, fmt.Sprintf("%s: %q", kind, name))
						}
					}
				}
			}
			return problems
		})},
		{"support", ".script/SolutionValidations/validSupportObject.ts", onTemplates(func(_ string, template object, _ []byte) []string {
			var problems []string
			for _, r := range about(template) {
				support, ok := at(r, "properties", "support").(object)
				mail, link := strings.TrimSpace(text(support, "email")), strings.TrimSpace(text(support, "link"))
				switch {
				case !ok:
					problems = append(problems, "no support in "+text(r, "name"))
				case strings.TrimSpace(text(support, "name")) == "":
					problems = append(problems, "support has no name")
				case mail == "" && link == "":
					problems = append(problems, "support has neither an email nor a link")
				case mail != "" && !emailAddress.MatchString(mail), link != "" && !webAddress.MatchString(link):
					problems = append(problems, "support has the address "+mail+link)
				}
			}
			return problems
		})},
		{"Sentinel is called Microsoft Sentinel", ".script/SolutionValidations/validMSBranding.ts", func(t Tree) []string {
			return t.each(ending(mainTemplate, "createUiDefinition.json"), func(_ string, raw []byte) []string {
				var problems []string
				for _, m := range unbranded.FindAllIndex(raw, -1) {
					before := raw[:m[0]]
					if bytes.HasSuffix(before, []byte("-")) || regexp.MustCompile(`Microsoft\s$`).Match(before[max(0, len(before)-12):]) {
						continue
					}
					problems = append(problems, fmt.Sprintf("at %d: %q", m[0], raw[max(0, m[0]-30):min(len(raw), m[1]+10)]))
				}
				return problems
			})
		}},
		{"solution id", ".script/SolutionValidations/validSolutionID.ts", onTemplates(func(_ string, template object, _ []byte) []string {
			id := text(template, "variables", "solutionId")
			if !solutionID.MatchString(id) || id != strings.ToLower(id) {
				return []string{fmt.Sprintf("variable solutionId is %q", id)}
			}
			return nil
		})},
		{"a new version", ".script/SolutionValidations/validSolutionVersion.ts", func(t Tree) []string {
			return t.each(ending(mainTemplate), func(name string, raw []byte) []string {
				version := versionOf(raw)
				if version == "" {
					return []string{"no metadata or content package of kind Solution with a version"}
				}
				if old, ok := t.Before[name]; ok && versionOf(old) == version {
					return []string{"the version is " + version + " as before"}
				}
				return nil
			})
		}},
		{"ids of rules stay", ".script/idChangeValidator.ts", func(t Tree) []string {
			return t.each(func(name string) bool {
				return below("Analytic Rules", ".yaml")(name) || below("Detections", ".yaml")(name)
			}, func(name string, raw []byte) []string {
				old, ok := t.Before[name]
				if was, is := text(yamlOf(old), "id"), text(yamlOf(raw), "id"); ok && was != is {
					return []string{"the id was " + was + " and is " + is}
				}
				return nil
			})
		}},
		{"listed files exist", "Tools/Create-Azure-Sentinel-Solution/V3/createSolutionV3.ps1", func(t Tree) []string {
			return t.each(below("Data", ".json"), func(name string, raw []byte) []string {
				var problems []string
				v := parsedObject(raw)
				folder := path.Dir(path.Dir(name))
				for kind, member := range v {
					paths, _ := member.([]any)
					for _, p := range paths {
						file, _ := p.(string)
						if _, ok := t.Files[path.Join(folder, file)]; !ok {
							problems = append(problems, kind+": "+file+" does not exist")
						}
					}
				}
				if file := text(v, "Metadata"); t.Files[path.Join(folder, file)] == nil {
					problems = append(problems, "Metadata: "+file+" does not exist")
				}
				if text(v, "Name") != path.Base(folder) {
					problems = append(problems, "Name is "+text(v, "Name")+", but the folder is "+folder)
				}
				return problems
			})
		}},
		{"one list", "Tools/Create-Azure-Sentinel-Solution/V3/createSolutionV3.ps1 packs whatever file is in the folder", func(t Tree) []string {
			in := map[string][]string{}
			for name := range t.Files {
				if below("Data", ".json")(name) && strings.HasPrefix(name, "Solutions/") && !strings.HasSuffix(name, "system_generated_metadata.json") && strings.Count(name, "/") == 3 {
					in[path.Dir(name)] = append(in[path.Dir(name)], name)
				}
			}
			for folder, names := range in {
				if len(names) != 1 {
					return []string{fmt.Sprintf("%s has %v", folder, names)}
				}
			}
			return nil
		}},
		{"the archive is the package", "own: the content hub takes the archive, not the files beside it", func(t Tree) []string {
			return t.each(ending(mainTemplate), func(name string, raw []byte) []string {
				folder := path.Dir(name)
				archive := t.Files[path.Join(folder, versionOf(raw)+".zip")]
				r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
				if err != nil {
					return []string{versionOf(raw) + ".zip: " + err.Error()}
				}
				var problems []string
				for _, file := range []string{"mainTemplate.json", "createUiDefinition.json"} {
					f, err := r.Open(file)
					if err != nil {
						problems = append(problems, err.Error())
						continue
					}
					got, err := io.ReadAll(f)
					if err != nil || !bytes.Equal(got, t.Files[path.Join(folder, file)]) {
						problems = append(problems, file+" in the archive is another")
					}
				}
				return problems
			})
		}},
		{"release notes have the version", "Tools/Create-Azure-Sentinel-Solution/V3/README.md", func(t Tree) []string {
			return t.each(ending(mainTemplate), func(name string, raw []byte) []string {
				if !bytes.Contains(t.Files[path.Join(path.Dir(path.Dir(name)), "ReleaseNotes.md")], []byte("| "+versionOf(raw)+" ")) {
					return []string{"ReleaseNotes.md has no row for " + versionOf(raw)}
				}
				return nil
			})
		}},
	}
}

// versionOf is the version of the solution that a package says.
func versionOf(raw []byte) string {
	template := parsedObject(raw)
	for _, r := range about(template) {
		if text(r, "properties", "kind") == "Solution" {
			version := text(r, "properties", "version")
			if version == "[variables('_solutionVersion')]" {
				version = text(template, "variables", "_solutionVersion")
			}
			return version
		}
	}
	return ""
}
