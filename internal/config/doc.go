// Package config turns the app settings into validated values.
//
// [Load] looks settings up in one or more origins, such as the environment and a settings
// file, and validates all of them: it doesn't stop at the first problem, but returns a
// [*Problems] error that lists each with the name of the setting and the remedy. The error
// never contains a secret, not even a damaged one. Adapters need no further checks: they
// get parsed addresses and valid ids.
//
// [Table] is the one place that defines which settings exist, what they mean and their
// defaults. The table in the README is rendered from it, and local.settings.example.json is
// tested against it. Each kind of source has its settings in a file of its own, see [Kind].
//
// CONNECTIONS lists several connections. Each setting of a connection is looked up with its
// name as a prefix and then without; settings of the whole app have no prefix.
//
// Names are case-sensitive, because environment variables on Linux are. logAnalyticsUri
// comes from the connector that this one replaces, and the AzureWebJobsStorage family from
// the Functions host.
//
// An empty setting counts as absent, because deployment templates and the example file
// contain settings with empty values.
package config
