// Reads simulations as JSON from standard input and writes a verdict for each.
//
// The input is a list of simulations, or an object with `policies`, documents by
// name, and `simulations`, in which a name stands for a document. So thousands of
// requests to the same few documents are one short input.
//
// A simulation in which the evaluator passes over a context key is an error: a
// verdict that did not look at a condition proves nothing about it.
import { anonymousPrincipal, runSimulation } from '@cloud-copilot/iam-simulate'

let text = ''
for await (const chunk of process.stdin) text += chunk

// The evaluator passes over kms:EncryptionContext:NAME, a key with a name of the
// caller's own in it. It knows such keys of tags, which compare alike, so the
// context is put to it as tags, in the policies and in the requests.
text = text.replaceAll('"kms:EncryptionContext:', '"aws:RequestTag/kms:EncryptionContext:')

const input = JSON.parse(text)
const { policies, simulations } = Array.isArray(input) ? { policies: {}, simulations: input } : input

const named = (policy) => {
  if (typeof policy !== 'string') return policy
  if (!(policy in policies)) throw new Error(`there is no policy ${policy}`)
  return policies[policy]
}
const attached = (list) => list?.map((one) => (typeof one === 'string' ? { name: one, policy: named(one) } : one))

const verdicts = []
for (const simulation of simulations) {
  if (simulation.request.principal === 'anonymous') simulation.request.principal = anonymousPrincipal
  simulation.identityPolicies = attached(simulation.identityPolicies ?? [])
  simulation.vpcEndpointPolicies = attached(simulation.vpcEndpointPolicies)
  simulation.permissionBoundaryPolicies = attached(simulation.permissionBoundaryPolicies)
  simulation.resourcePolicy = named(simulation.resourcePolicy)
  simulation.serviceControlPolicies ??= []
  simulation.resourceControlPolicies ??= []
  const result = await runSimulation(simulation, {})
  if (result.resultType === 'error') {
    verdicts.push({ error: JSON.stringify(result.errors) })
    continue
  }
  const results = result.resultType === 'single' ? [result.result] : result.results
  const ignored = results.flatMap((one) => one.ignoredContextKeys ?? [])
  verdicts.push(
    ignored.length > 0
      ? { error: `the evaluator passed over the context keys ${ignored.join(', ')}` }
      : { verdict: result.overallResult }
  )
}
process.stdout.write(JSON.stringify(verdicts))
