// Package config turns the app settings, which are environment variables, into
// ready values.
//
// [Load] reads them once, as plain text, and then validates everything: it never
// stops at the first problem, and a [*Problems] error lists all of them with the
// name of the setting and the remedy. No value of a secret is in it, not even of
// one that is damaged.
//
// [Table] is the one place that says which settings exist, what they mean and
// what they default to. The table in the README is rendered from it and
// local.settings.example.json is tested against it.
//
// Names are exact in upper and lower case, because Linux does not fold them.
// Most are upper case and are read with envconfig, which upper-cases every name
// itself; logAnalyticsUri and the AzureWebJobsStorage family come from the
// connector that this one replaces and from the Functions host, and are read
// under their exact names.
//
// An empty setting counts as absent: deployment templates create settings with
// empty values, and so does the example file.
package config
