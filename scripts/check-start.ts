/**
 * Runs what a reader of the README runs: `npm start`, whose verdict has to be clean, and `npm run broker`, which has to answer
 * and to stop by SIGTERM.
 */
import { startBrokerProcess } from './broker-process.ts'
import { ask } from './converse.ts'
import { main, root, run } from './run.ts'

await main(async () => {
  run('npm', ['start'])
  const broker = await startBrokerProcess('npm', ['run', 'broker'], root)
  console.log(broker.readyLine)
  console.log(await ask(broker))
  await broker.stop()
  console.log('stopped by SIGTERM with exit code 0')
})
