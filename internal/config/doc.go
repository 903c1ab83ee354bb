// Package config turns the app settings into ready values.
//
// [Load] looks settings up in one or more origins, such as the environment and a
// settings file, and then validates everything: it never stops at the first problem,
// and a [*Problems] error lists all of them with the name of the setting and the
// remedy. It contains no value of a secret, not even of one that is damaged. What
// passes is checked once and for all: adapters get parsed addresses and known ids.
//
// [Table] is the one place that says which settings exist, what they mean and
// what they default to. The table in the README is rendered from it and
// local.settings.example.json is tested against it. A kind of source brings its
// settings along in a file of its own, see [Kind].
//
// With CONNECTIONS there are several connections. Each setting of a connection is
// looked up with the prefix of its name and then without; settings of the whole app
// have no prefix.
//
// Names are exact in upper and lower case, because Linux does not fold them.
// logAnalyticsUri and the AzureWebJobsStorage family come from the connector that
// this one replaces and from the Functions host.
//
// An empty setting counts as absent: deployment templates create settings with
// empty values, and so does the example file.
package config
