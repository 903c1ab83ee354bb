// Package version names the build. The Go toolchain writes the version, from the tag or commit,
// into every binary that it builds from a checkout, so no flag and no generated file is needed.
package version

import "runtime/debug"

// unknown is the version of a build outside a checkout, and of tests.
const unknown = "devel"

// String returns for instance "v1.2.0", or "v1.2.1-0.20260901120000-0123456789ab+dirty"
// between two tags.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	return Of(info)
}

// Of names the build that info describes.
func Of(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	const short = 12 // characters of a commit, as in Go's own pseudo-versions
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= short {
			return unknown + "-" + s.Value[:short]
		}
	}
	return unknown
}
