/** The protocol version this client speaks. */
export const version = 'holdfast/1'
