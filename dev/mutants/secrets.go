package main

// secretMutants are defects of secrets that are kept in a vault, and of a second key.
func secretMutants() []Mutant {
	const (
		keyvault = "internal/lib/keyvault/"
		azsdk    = "internal/lib/azsdk/"
	)
	inApp := []string{"./internal/app"}
	return []Mutant{
		{Breaks: "an invocation that can't become a row is kept with its secrets", File: sailpoint + "triggers.go", Old: "rec.Raw, rec.Flaw = withoutSecrets(e.Raw, rec.Flaw)", New: "rec.Raw = e.Raw"},
		{Breaks: "settings of an app that were changed meanwhile are overwritten", File: "internal/deployed/site.go", Old: "if names := differ(read, now); len(names) > 0 {", New: "if names := differ(read, now); len(names) < 0 {"},
		{Breaks: "a token for Azure's resource manager goes wherever a list continues", File: "internal/deployed/site.go", Old: "if hostOf(page.Next) != c.host {", New: "if false {"},
		{Breaks: "a host that poses as a resource manager gets tokens for Azure's", File: "internal/deployed/cloud.go", Old: "&& ofKnownCloud(audience) && !ofKnownCloud(endpoint) {", New: "&& ofKnownCloud(audience) && false {"},
		{Breaks: "a vault is asked as often as a secret is refused", File: keyvault + "secret.go", Old: "case early:", New: "case early && false:"},
		{Breaks: "a vault that refused once is not asked again", File: keyvault + "secret.go", Old: "time.Since(k.asked) < Pause", New: "time.Since(k.asked) < 1000*Pause"},
		{Breaks: "a secret that another caller has read again is read once more", File: keyvault + "secret.go", Old: "return now.Text.Reveal() == refused.Reveal() })", New: "return true })"},
		{Breaks: "the end of a caller counts as the vault's answer", File: keyvault + "secret.go", Old: "if err != nil && ctx.Err() != nil {", New: "if false {"},
		{Breaks: "an empty secret is used", File: keyvault + "secret.go", Old: "case text == \"\":", New: "case false:"},
		{Breaks: "a line break at the end of a secret is sent", File: keyvault + "secret.go", Old: "text := strings.TrimFunc(got.Value, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })", New: "text := got.Value"},
		{Breaks: "a former secret is not masked", File: keyvault + "secret.go", Old: "append(k.known, k.now.Text)", New: "append(k.known[:0], k.now.Text)"},
		{Breaks: "tokens for vaults of US Government are for the public cloud", File: keyvault + "keyvault.go", Old: "return cloud.AzureGovernment, \"https://vault.usgovcloudapi.net\"", New: "return cloud.AzureGovernment, \"https://vault.azure.net\""},
		{Breaks: "connections do not share a secret", File: keyvault + "keyvault.go", Old: "key := at.ID() + \"\\n\" + at.Identity.Key()", New: "key := at.ID() + \"\\n\" + at.Setting"},
		{Breaks: "the app's own vault is read as the customer's app", File: keyvault + "directory.go", Old: "if at.Identity.Is(directory) {", New: "if directory != \"\" {", Tests: inApp},
		{Breaks: "an assertion is shown", File: azsdk + "abroad.go", Old: "hidden := secret.New(r.assertion)", New: "hidden := secret.New(\"\")"},
		{Breaks: "a rule of a connection is ignored in silence", File: "internal/config/directory.go", Old: "case api == UseDataCollector && rule && !key:", New: "case false && rule && !key:"},
		{Breaks: "a refused client secret is not read again", File: "internal/lib/secret/attempt.go", Old: "case tries > 1 || next.Reveal() == now.Reveal():", New: "case true:"},
		{Breaks: "a refused key is not replaced", File: collector + "post.go", Old: "if !a.refusesKey() {", New: "if true {", Tests: inApp},
		{Breaks: "a refused key is not read again", File: collector + "keys.go", Old: "text, err = s.keeper.Renew(ctx, text)", New: "_ = ctx", Tests: inApp},
		{Breaks: "the second key is not remembered", File: collector + "keys.go", Old: "if len(refused) > 0 && used.slot != k.inUse {", New: "if false {", Tests: inApp},
		{Breaks: "the first key is not tried again", File: collector + "keys.go", Old: "due := k.slots[0].refused, k.inUse != 0 && time.Since(k.since) >= returnEvery", New: "due := k.slots[0].refused, false", Tests: inApp},
		{Breaks: "nothing says that the second key is in use", File: collector + "sink.go", Old: "if a.key.slot != 0 {", New: "if false {", Tests: inApp},
		{Breaks: "a stranger who hangs up ends the reading of a credential", File: "internal/lib/gate/gate.go", Old: "context.WithoutCancel(ctx), k.last", New: "ctx, k.last", Tests: inApp},
		{Breaks: "the right credential waits for the vault", File: "internal/lib/gate/gate.go", Old: "if g.matches(ctx, is) {\n\t\treturn true, nil\n\t}\n\terr :=", New: "err :=", Tests: inApp},
		{Breaks: "a replaced credential is admitted forever", File: "internal/lib/gate/gate.go", Old: "time.Since(k.read) >= Fresh", New: "k.read.After(time.Now())", Tests: inApp},
		{Breaks: "a weak credential in a vault is good", File: "internal/lib/gate/gate.go", Old: "if flaw == \"\" {", New: "if !text.IsZero() {", Tests: inApp},
		{Breaks: "a push is refused for good while the vault can't be read", File: "internal/functions/hooks.go", Old: "case err != nil: // the app logs why", New: "case err != nil && admitted: // the app logs why"},
		{Breaks: "a refused storage key is not read again", File: azsdk + "rekey.go", Old: "next, failed := r.Key.Renew(ctx, key)", New: "next, failed := r.Key.Get(ctx)", Tests: []string{"./internal/state/azblob"}},
	}
}
