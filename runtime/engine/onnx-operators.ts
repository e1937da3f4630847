import { lengthFields } from "./protobuf-fields.ts";

/**
 * Operators whose work follows from the shapes of their inputs. Not among them: those that do as much as an element
 * says (Loop, Range, ConstantOfShape, Expand, Resize...), and all that this list does not know.
 */
const PREDICTABLE: ReadonlySet<string> = new Set(
  [
    "Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization BitShift BitwiseAnd",
    "BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Compress Concat Constant Conv ConvInteger ConvTranspose",
    "Cos Cosh CumSum DepthToSpace DequantizeLinear Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp EyeLike",
    "Flatten Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater",
    "GreaterOrEqual GroupNormalization HardSigmoid HardSwish Hardmax Identity If InstanceNormalization IsInf IsNaN LRN",
    "LSTM LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max",
    "MaxPool Mean MeanVarianceNormalization Min Mish Mod Mul Neg NonZero Not Or PRelu Pow QLinearConv QLinearMatMul",
    "QuantizeLinear RMSNormalization RNN Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean",
    "ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Round Scatter ScatterElements ScatterND Selu Shape Shrink",
    "Sigmoid Sign Sin Sinh Size Slice Softmax SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth Split Sqrt Squeeze",
    "StringConcat StringNormalizer Sub Sum Swish Tan Tanh TfIdfVectorizer ThresholdedRelu TopK Transpose Trilu Unsqueeze",
    "Where Xor",
    "ai.onnx.ml:ArrayFeatureExtractor ai.onnx.ml:Binarizer ai.onnx.ml:CategoryMapper ai.onnx.ml:FeatureVectorizer",
    "ai.onnx.ml:Imputer ai.onnx.ml:LabelEncoder ai.onnx.ml:LinearClassifier ai.onnx.ml:LinearRegressor",
    "ai.onnx.ml:Normalizer ai.onnx.ml:OneHotEncoder ai.onnx.ml:SVMClassifier ai.onnx.ml:SVMRegressor ai.onnx.ml:Scaler",
    "ai.onnx.ml:TreeEnsemble ai.onnx.ml:TreeEnsembleClassifier ai.onnx.ml:TreeEnsembleRegressor",
    "com.microsoft:Attention com.microsoft:BiasGelu com.microsoft:DynamicQuantizeMatMul",
    "com.microsoft:EmbedLayerNormalization com.microsoft:FastGelu com.microsoft:FusedConv com.microsoft:FusedGemm",
    "com.microsoft:FusedMatMul com.microsoft:Gelu com.microsoft:MatMulIntegerToFloat com.microsoft:QAttention",
    "com.microsoft:QLinearAdd com.microsoft:QLinearAveragePool com.microsoft:QLinearConcat",
    "com.microsoft:QLinearGlobalAveragePool com.microsoft:QLinearLeakyRelu com.microsoft:QLinearMul",
    "com.microsoft:QLinearSigmoid com.microsoft:QuickGelu com.microsoft:SkipLayerNormalization com.microsoft:Tokenizer",
  ].flatMap((line) => line.split(" ")),
);

/** Graphs in attributes of graphs, at most. */
const DEEPEST = 32;

// Field numbers of onnx.proto3.
const MODEL_GRAPH = 7;
const GRAPH_NODE = 1;
const NODE = { opType: 4, attribute: 5, domain: 7 } as const;
const ATTRIBUTE = { graph: 6, graphs: 11 } as const;

/** Whether every operator of a model does work that follows from the shapes of its inputs alone. `model` is its file. */
export function isPredictable(model: Uint8Array): boolean {
  try {
    for (const operator of operatorsOf(model)) if (!PREDICTABLE.has(operator)) return false;
    return true;
  } catch {
    // Whatever the engine makes of it, we cannot read it.
    return false;
  }
}

/**
 * The operators of a model's nodes, those in the branches of If among them: the name, for other domains than ONNX's own
 * after the domain and a colon. Throws RangeError for bytes that are no message of Protocol Buffers.
 */
export function* operatorsOf(model: Uint8Array): Generator<string> {
  for (const { field, value } of lengthFields(model)) if (field === MODEL_GRAPH) yield* operatorsOfGraph(value, 0);
}

function* operatorsOfGraph(graph: Uint8Array, depth: number): Generator<string> {
  if (depth > DEEPEST) throw new RangeError("graphs are nested too deeply");
  for (const { field, value } of lengthFields(graph)) if (field === GRAPH_NODE) yield* operatorsOfNode(value, depth);
}

function* operatorsOfNode(node: Uint8Array, depth: number): Generator<string> {
  let opType = "";
  let domain = "";
  for (const { field, value } of lengthFields(node)) {
    if (field === NODE.opType) opType = textOf(value);
    else if (field === NODE.domain) domain = textOf(value);
    else if (field === NODE.attribute) {
      for (const { field: part, value: graph } of lengthFields(value))
        if (part === ATTRIBUTE.graph || part === ATTRIBUTE.graphs) yield* operatorsOfGraph(graph, depth + 1);
    }
  }
  yield domain === "" || domain === "ai.onnx" ? opType : `${domain}:${opType}`;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
