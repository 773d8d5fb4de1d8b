/** The protocol version this client speaks. */
export declare const version = "holdfast/1";
