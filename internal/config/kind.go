package config

// Kind describes the settings of one kind of source. Each kind has a file of its own.
type Kind struct {
	// Name is its name in the registry of sources.
	Name string
	// On lists the settings that enable this kind for a connection: any one of them is
	// enough.
	On []string
	// With lists settings that mean nothing without one of On, and that several connections may
	// share. Set for a connection alone, they enable the kind too, so that Read reports what is
	// missing; shared by all, they are a problem if no connection has enabled it.
	With []string
	// Table describes its settings.
	Table []Setting
	// Read checks them for a connection that has enabled this kind. tenant is the name of
	// the connection's state if this is its first source: lower-case letters, digits, "."
	// and "-"; "" if there was a problem.
	Read func(*Reader) (source Source, tenant string)
}

// Source holds the checked settings of one source of a connection. Each kind has its own
// type.
type Source interface {
	// Kind is the name of the kind.
	Kind() string
}

// Located is a [Source] with an address. Two connections with the same address would
// deliver everything twice. At returns the setting and the address in it; "" means that
// addresses can't be compared.
type Located interface {
	At() (setting, address string)
}
