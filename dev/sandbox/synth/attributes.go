package synth

// attributes writes the open object of an event.
func (e *encoder) attributes() {
	e.key("attributes")
	e.dst = append(e.dst, '{')
	if e.s.Has(Poison) {
		e.text("info", PoisonText)
	}
	if e.s.Has(Huge) {
		e.key("description")
		e.quoted(func(b []byte) []byte { return e.appendProse(b, hugeBytes) })
	}
	if !e.s.Has(EmptyAttributes) {
		e.account()
		e.oddTypes()
		e.oddTexts()
		if e.s.Has(LongTokens) {
			e.deltaTokens()
		}
		if !e.s.Has(Poison | Huge) {
			e.pad()
		}
	}
	e.dst = append(e.dst, '}')
}

// account writes what most events have: which account on which source.
func (e *encoder) account() {
	sources := [...]string{"Active Directory", "Synthetic HR", "Synthetic ERP [source-4711]", "Entra ID"}
	source := sources[e.d.n(len(sources))]
	e.text("sourceName", source)
	e.hex("sourceId")
	e.text("cloudAppName", source)
	e.key("accountName")
	e.dst = append(e.dst, `"CN=`...)
	e.dst = append(e.dst, e.person()...)
	e.dst = append(e.dst, `,OU=People,OU=Synthetic,DC=corp,DC=example"`...)
	if e.s.Has(BracedGUID) {
		e.key("accountUuid")
		e.dst = append(e.dst, `"{`...)
		e.dst = e.d.appendUUID(e.dst, uint32(e.d.roll()))
		e.dst = append(e.dst, `}"`...)
	}
	interfaces := [...]string{"Identity Refresh", "Access Request", "Attribute Sync", "Certification"}
	e.text("interface", interfaces[e.d.n(len(interfaces))])
	if e.s.Has(FewFields) {
		e.hex("trackingNumber")
	}
}

// oddTypes writes values whose JSON type is not the one to expect.
func (e *encoder) oddTypes() {
	if e.s.Has(ScopeText) {
		e.raw("scope", `"[\"sp:scopes:all\"]"`)
	} else if e.s.Has(ScopeArray) {
		e.raw("scope", `["sp:search:read","sp:scopes:default"]`)
	}
	if e.s.Has(JSONInString) {
		e.key("owners")
		e.dst = append(e.dst, `"[{\"id\":\"`...)
		e.dst = e.d.appendHex(e.dst, 32)
		e.dst = append(e.dst, `\",\"isPrimary\":true}]"`...)
		e.raw("userEntitlements", `"[\"CN=Payroll,OU=Groups,DC=corp,DC=example\",\"CN=Audit\"]"`)
	}
	if e.s.Has(BooleanString) {
		e.text("manuallyCreated", "true")
		e.raw("manuallyEdited", "false")
	}
	if e.s.Has(NumberString) || e.d.n(8) == 0 {
		e.number("duration", int64(e.d.n(100_000)))
		e.number("identitiesTotal", int64(e.d.n(5000)))
	}
	if e.s.Has(BigNumber) {
		e.raw("processId", "9007199254740993")
		e.raw("aggregationId", "18446744073709551617")
		e.raw("ratio", "0.1000000000000000055511151231257827")
	}
}

// oddTexts writes texts that invite a wrong reading.
func (e *encoder) oddTexts() {
	if e.s.Has(LiteralWords) {
		e.text("appId", "null")
		e.text("operation", "NONE")
		e.text("userId", "unknown")
		e.text("accountSource", "source")
	}
	if !e.s.Has(HostName) {
		return
	}
	switch e.d.n(3) {
	case 0:
		e.text("hostName", "24")
	case 1:
		e.key("hostName")
		e.quoted(e.appendAddress)
	default:
		e.text("hostName", "va-1.corp.example")
	}
}

// deltaTokens writes attributes too long for a column of the destination.
func (e *encoder) deltaTokens() {
	for _, name := range [...]string{"groupsDeltaToken_before", "groupsDeltaToken_after"} {
		e.key(name)
		n := tokenBytes + e.d.n(tokenRange)
		e.quoted(func(b []byte) []byte { return e.d.appendHex(b, n) })
	}
}
