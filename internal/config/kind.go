package config

// Kind is a kind of source, as far as settings know it. Each has a file of its own.
type Kind struct {
	// Name is what the registry of sources calls it.
	Name string
	// On are the settings of which one turns the kind on for a connection.
	On []string
	// Table describes its settings.
	Table []Setting
	// Read checks them for one connection that has turned it on. It also returns what the
	// state of the connection is called if this is its first source, in lower case
	// letters, digits, "." and "-"; "" if there was a problem.
	Read func(*Reader) (source Source, tenant string)
}

// Source is the checked settings of one source of a connection, of a type for each kind.
type Source interface {
	// Kind is the name of the kind.
	Kind() string
}

// Located is a [Source] at an address of its own: two connections with the same would
// deliver everything twice. The setting is the one that holds it; "" may be anywhere.
type Located interface {
	At() (setting, address string)
}
