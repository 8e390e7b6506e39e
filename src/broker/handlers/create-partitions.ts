/** CreatePartitions: decided by the catalogue. Source: KIP-195. */
import { createPartitions } from '../../protocol/messages/create-partitions.ts'
import { defineHandler } from '../handler.ts'

export const createPartitionsHandler = defineHandler(createPartitions, {
  minVersion: 0,
  maxVersion: 3,
  deviations: ['internal topics do not grow (INVALID_REQUEST)'],
  async handle(broker, request) {
    const results = await broker.catalogue.run((catalogue) =>
      catalogue.decideCreatePartitions(request.topics, { validateOnly: request.validateOnly }),
    )
    return {
      results: results.map(({ name, error, message }) => ({ name, errorCode: error, errorMessage: message })),
    }
  },
})
