// Package workflow checks and runs the definitions of Azure Logic Apps workflows, as far as the
// project's playbooks use them, without Azure.
//
//	definition, err := workflow.Parse(json)
//	problems := definition.Check()
//	run := definition.Run(workflow.Environment{Trigger: …, HTTP: …, Connector: …})
//
// The language is that of the public reference of the Workflow Definition Language
// (https://learn.microsoft.com/azure/logic-apps/workflow-definition-language-functions-reference).
// Where the reference leaves something open, the strict reading holds, so that what runs here does not
// depend on the lenient one:
//
//   - both branches of if(), and all arguments of and() and or(), are evaluated
//   - length(), empty(), first(), trim() and the like refuse null; only string(), concat() and an
//     interpolation take it
//   - a member of an object that is missing is an error without ?, and so is an element of an array
//     beyond its end even with it
//   - an action that is not there to be referred to is an error in [Definition.Check]: what is referred to
//     must have been reached by the runAfter of the one that does it
//   - a scope has failed if any of its last actions failed, or was skipped behind one that failed
//
// What a loop of type Until does when it reaches its limit is not documented clearly:
// [Environment.UntilLimit] chooses, and definitions must do the right thing either way.
//
// There is no clock but that of the run: waits, retries and approvals take no time.
package workflow
