// Package deploy works out what azuredeploy.json comes to: which resources a
// deployment with certain parameters makes, with every expression evaluated.
// Tests hold the template to the program with it, for every plan and cloud
// (that the app settings of a deployment load, for instance), and need no
// subscription.
//
// [Read] takes the file, [Template.Resolve] plays the deployment. The functions
// of the template language that the template uses are evaluated as Azure
// documents them (https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions);
// any other one is an error, so that the template can't outgrow its tests
// unseen. What only Azure knows is made up: names from uniqueString, ids from
// guid, and keys come from [Surroundings].
//
// Resources are made in an order that their dependencies allow, with one of them as late
// as possible if [Surroundings] says so. [World] is what stands in the subscription:
// reference sees only what has been made by then, and a [World] that outlives a deployment
// is where the second click and an upgrade are played. It refuses what the services are
// documented to refuse, for the types in World.put. A template whose expressions fail, or
// that calls fail(), is refused before the first resource is made, unless the expression
// reads Azure.
//
// Whether Azure accepts the result is not decided here.
package deploy
