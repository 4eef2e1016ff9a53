// Reads simulations as JSON from standard input and writes a verdict for each.
//
// A simulation in which the evaluator passes over a context key is an error: a
// verdict that did not look at a condition proves nothing about it.
import { anonymousPrincipal, runSimulation } from '@cloud-copilot/iam-simulate'

let text = ''
for await (const chunk of process.stdin) text += chunk

const verdicts = []
for (const simulation of JSON.parse(text)) {
  if (simulation.request.principal === 'anonymous') simulation.request.principal = anonymousPrincipal
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
