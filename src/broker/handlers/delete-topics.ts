/** DeleteTopics: by name, and by id from version 6 on. Source: ControllerApis.deleteTopics (4.3.1); KIP-516. */
import { deleteTopics } from '../../protocol/messages/delete-topics.ts'
import { ZERO_UUID } from '../../protocol/schema.ts'
import { defineHandler } from '../handler.ts'

export const deleteTopicsHandler = defineHandler(deleteTopics, {
  minVersion: 1,
  maxVersion: 6,
  deviations: ['internal topics cannot be deleted (INVALID_REQUEST)'],
  async handle(broker, request, { apiVersion }) {
    const references = [
      ...request.topicNames.map((name) => ({ name, topicId: null })),
      ...request.topics.map(({ name, topicId }) => ({ name, topicId: topicId === ZERO_UUID ? null : topicId })),
    ]
    if (!broker.config.deleteTopicEnable) {
      // Clients of before version 3 do not know the error that says it.
      const errorCode = apiVersion < 3 ? 'INVALID_REQUEST' : 'TOPIC_DELETION_DISABLED'
      const errorMessage = 'Topic deletion is disabled (delete.topic.enable).'
      return {
        responses: references.map(({ name, topicId }) => ({
          name,
          topicId: topicId ?? ZERO_UUID,
          errorCode,
          errorMessage,
        })),
      }
    }
    const results = await broker.catalogue.run((catalogue) => catalogue.decideDeleteTopics(references))
    return {
      responses: results.map(({ name, topicId, error, message }) => ({
        name,
        topicId: topicId ?? ZERO_UUID,
        errorCode: error,
        errorMessage: message,
      })),
    }
  },
})
