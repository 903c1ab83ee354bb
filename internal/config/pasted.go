package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	reference       = regexp.MustCompile(`(?i)^@Microsoft\.KeyVault\(`)
	configReference = regexp.MustCompile(`(?i)^@Microsoft\.AppConfiguration\(`)
	// What looks like a reference, but not to the platform.
	nearReference       = regexp.MustCompile(`(?i)^@?\s*Microsoft\s*\.\s*KeyVault\s*\(`)
	nearConfigReference = regexp.MustCompile(`(?i)^@?\s*Microsoft\s*\.\s*AppConfiguration\s*\(`)
	// vaultAddress matches a secret's address without the reference around it.
	vaultAddress = regexp.MustCompile(`(?i)^https://[a-z0-9-]+\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net)(:443)?/secrets/`)

	bareVault = regexp.MustCompile(`(?i)^[a-z0-9-]+\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net)(:443)?/`)

	// storeAddress matches the address of an App Configuration store.
	storeAddress = regexp.MustCompile(`(?i)^https://[a-z0-9-]+\.azconfig\.(io|azure\.us|azure\.cn)(/|$)`)

	// mask matches what is shown in place of a secret, by a portal or by this program.
	mask = regexp.MustCompile(`(?i)^[*•●∙·]{3,}$|^\((secret|needs attention|hidden)\)$|^[\[<]?redacted[\]>]?$`)

	placeholder = regexp.MustCompile(`^<[^<>]*>$`)
	// variable matches an unreplaced variable of a pipeline, a shell or a template. Forms
	// that could be part of a value must be the whole value.
	variable = regexp.MustCompile(`\$\([A-Za-z_][\w.-]*\)|\$\{\{?[^{}]*\}?\}|^%[A-Za-z_]\w*%$|^#\{[^{}]*\}#?$|^\{\{[^{}]*\}\}$|^__[A-Za-z]\w*__$|^\[(parameters|variables|concat|format|reference|listKeys)\(.*\)\]$|^\$env:[A-Za-z_]\w*$|^\$[A-Z][A-Z0-9_]{2,}$`)
)

// wrapping lists pairs of quotation marks that get pasted along.
func wrapping() [][2]string {
	return [][2]string{{`"`, `"`}, {`'`, `'`}, {"`", "`"}, {"“", "”"}, {"„", "“"}, {"‘", "’"}, {"«", "»"}}
}

// pasted returns what went wrong when a value was pasted into a setting, or "".
func pasted(name, value string) string {
	switch {
	case configReference.MatchString(value):
		return "is an unresolved App Configuration reference: give the app's managed identity the role App Configuration Data Reader on the store " +
			"(and Key Vault Secrets User on the vault, if its value is kept there), check Endpoint, Key and Label in the reference" + blanks(value) +
			", and that the store's network rules allow the app; then restart the app"
	case nearConfigReference.MatchString(value):
		return "is an App Configuration reference that the platform does not recognise: it must begin with exactly @Microsoft.AppConfiguration( , without a blank"
	case storeAddress.MatchString(value):
		return "is the address of an App Configuration store, not a value from it: write @Microsoft.AppConfiguration(Endpoint=…;Key=…) with that address in it"
	case reference.MatchString(value):
		return "is an unresolved Key Vault reference: give the app's managed identity the role Key Vault Secrets User on the vault, " +
			"check the vault and secret names in the reference" + blanks(value) + ", and that the vault's network rules allow the app; then restart the app"
	case nearReference.MatchString(value):
		return "is a Key Vault reference that the platform does not recognise: it must begin with exactly @Microsoft.KeyVault( , without a blank"
	case vaultAddress.MatchString(value):
		return "is the address of a secret in Key Vault, not the secret: write @Microsoft.KeyVault(SecretUri=…) with that address in it"
	case bareVault.MatchString(value):
		return "is the address of a secret in Key Vault without https:// in front: write @Microsoft.KeyVault(SecretUri=https://…)"
	case mask.MatchString(value):
		return "is what is shown in place of a secret, not the value: copy the value itself"
	case placeholder.MatchString(value):
		return "still contains the placeholder of the example: replace it with your value"
	case variable.MatchString(value):
		return "contains a variable that was not replaced, like $(NAME): define it where the settings are deployed from, or replace it with the value"
	case quoted(value):
		return "is wrapped in quotation marks: remove them"
	case strings.HasPrefix(strings.ToLower(value), strings.ToLower(name)+"="):
		return "contains its own name: keep only what follows the first ="
	}
	return odd(name, value)
}

// blanks returns a hint for a reference that contains blanks.
func blanks(value string) string {
	if strings.ContainsFunc(value, unicode.IsSpace) {
		return " (it contains blanks: remove them)"
	}
	return ""
}

// quoted also ignores a comma or semicolon after the value, as in JSON or a script.
func quoted(value string) bool {
	value = strings.TrimRight(value, ",; ")
	for _, marks := range wrapping() {
		if len(value) >= len(marks[0])+len(marks[1]) && strings.HasPrefix(value, marks[0]) && strings.HasSuffix(value, marks[1]) {
			return true
		}
	}
	return false
}

// odd finds characters that no one types on purpose. A connection string may have line
// breaks around its parts, see connectionString, and a key between its lines; a file name may
// contain characters that join others.
func odd(name, value string) string {
	if !utf8.ValidString(value) {
		return "has a byte that is not UTF-8: the file or script it comes from was saved with another encoding; save it as UTF-8"
	}
	for i, r := range []rune(value) {
		switch {
		case r == utf8.RuneError:
			return fmt.Sprintf("has a damaged character (U+FFFD), its %s: a tool misread its encoding; paste the value again", ordinal(i+1))
		case unicode.IsControl(r) && (name == "AzureWebJobsStorage" || name == "OKTA_PRIVATE_KEY" && unicode.IsSpace(r)):
		case unicode.IsControl(r):
			return "contains a line break or another control character: paste the value again as one line"
		case invisible(r) && name == "NDJSON_PATH":
		case invisible(r), r != ' ' && unicode.IsSpace(r):
			return fmt.Sprintf("has an invisible character, %s, as its %s: delete the value and type it, or paste it through a plain text editor", nameOf(r), ordinal(i+1))
		}
	}
	return ""
}

// invisible reports whether a character can't be seen: zero width, direction marks, soft
// hyphen, fillers.
func invisible(r rune) bool {
	switch {
	case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
		return true
	case r == '\u034f', r == '\u115f', r == '\u1160', r == '\u2800', r == '\u3164', r == '\uffa0':
		return true
	}
	return unicode.Is(unicode.Variation_Selector, r)
}

// nameOf names a character, with a description of the common ones.
func nameOf(r rune) string {
	names := map[rune]string{
		'\u00a0': "no-break space", '\u00ad': "soft hyphen", '\u200b': "zero-width space", '\u200c': "zero-width non-joiner",
		'\u200d': "zero-width joiner", '\u200e': "left-to-right mark", '\u200f': "right-to-left mark", '\u2060': "word joiner",
		'\u202f': "narrow no-break space", '\ufeff': "byte order mark",
	}
	if name, ok := names[r]; ok {
		return fmt.Sprintf("U+%04X (%s)", r, name)
	}
	return fmt.Sprintf("U+%04X", r)
}

func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}
