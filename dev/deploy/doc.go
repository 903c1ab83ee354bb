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
// guid, and the properties that reference and listKeys return come from
// [Surroundings].
//
// Whether Azure accepts the result is not decided here.
package deploy
