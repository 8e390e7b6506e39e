/** Runs `npm start` as a reader of the README does, talks to the broker, and stops it with SIGTERM. */
import { startBrokerProcess } from './broker-process.ts'
import { ask } from './converse.ts'
import { main, root } from './run.ts'

await main(async () => {
  const broker = await startBrokerProcess('npm', ['start'], root)
  console.log(broker.readyLine)
  console.log(await ask(broker))
  await broker.stop()
  console.log('stopped by SIGTERM with exit code 0')
})
