/**
 * Train, evaluate and ship classifiers that read a text and an image together.
 *
 * The exports stand in the order in which a row of a CSV becomes an answer.
 *
 * @packageDocumentation
 */

// The engine
export { useBackend } from './backends/select.js';
export type { BackendOptions } from './backends/select.js';
export type { BackendChoice, PassedOver } from './backends/choose.js';
export { BackendUnavailableError } from './backends/unavailable.js';
export type { BackendName, BackendNeeds } from './backends/preference.js';
export { InputError, messageOf } from './errors.js';

// Rows
export { CsvDataset } from './datasets/csv.js';
export type { CsvOptions } from './datasets/csv.js';
export type { CsvLocation } from './datasets/csvTree.js';
export type { DirectoryHandle, FileHandle, FileSource, LazyFile } from './files/fileTree.js';
export type { RoleOptions, Roles } from './datasets/csvColumns.js';
export { writeCsv } from './datasets/csvWrite.js';
export type { CsvCell, CsvWriteOptions } from './datasets/csvWrite.js';
export type {
  BadRowPolicy,
  Dataset,
  Example,
  ImageSource,
  Part,
  PixelData,
} from './datasets/example.js';
export { datasetFrom } from './datasets/exampleDataset.js';
export type { ExampleDatasetOptions, LabelledExample } from './datasets/exampleDataset.js';
export { split, Subset } from './datasets/split.js';
export type { SplitOptions } from './datasets/split.js';

// Tokens and pixels
export { BertTokenizer } from './datasets/tokenizer.js';
export type { EncodedText, EncodeOptions, TokenizerOptions } from './datasets/tokenizer.js';
export type { TokenizerConfigJson, TokenizerJson } from './datasets/tokenizerJson.js';
export { ImageProcessor } from './datasets/image.js';
export type {
  ImageProcessorConfig,
  ImageProcessorOptions,
  ResizeTo,
} from './datasets/imageConfig.js';
export type { PreprocessorJson } from './datasets/imageJson.js';
export type { ImageSize } from './datasets/imagePixels.js';
export type { Resample } from './datasets/imageResize.js';
export { notebookAugmentation } from './datasets/augmentation.js';
export type { Augmentation, RandomResizedCropOptions } from './datasets/augmentation.js';
export type { RandAugmentOptions } from './datasets/randAugment.js';
export type { RandomErasingOptions } from './datasets/randomErasing.js';
export { batches, toTensors } from './datasets/batch.js';
export type {
  Batch,
  BatchOptions,
  BatchTensors,
  HostImage,
  HostText,
  ImageReader,
  TextReader,
} from './datasets/batch.js';
export type {
  FeatureExtractors,
  FeatureReader,
  HostFeatures,
  ImageExtractor,
  KnownFeatures,
  PixelValues,
  TextExtractor,
} from './datasets/features.js';

// Encoders
export { BertEmbeddings, BertEncoder, BertLayer } from './encoders/bert.js';
export { bertConfig, bertConfigFromJson, bertSizes } from './encoders/bertConfig.js';
export type { BertConfig } from './encoders/bertConfig.js';
export type { ImagePooling, Pooling } from './encoders/pooling.js';
export { ResNetFeatureModel } from './encoders/resnet.js';
export { ResNetBlock } from './encoders/resnetBlock.js';
export type { OutputLayer, ResNetOptions } from './encoders/resnet.js';
export { resNetConfig, resNetConfigFromJson, resNetSizes } from './encoders/resnetConfig.js';
export type { ResNetConfig } from './encoders/resnetConfig.js';
export { TransformersImageEncoder, TransformersTextEncoder } from './encoders/transformers.js';
export type { TransformersConfig, TransformersOptions } from './encoders/transformers.js';
export type { HostPooling } from './encoders/hostPooling.js';
export type { TransformersLoading } from './encoders/transformersPackage.js';
export type {
  EncoderConfig,
  ImageEncoder,
  LayeredEncoder,
  SequenceEncoder,
  TextEncoder,
  TextInput,
} from './encoders/encoder.js';

// Fusions
export { checkFusion, createFusion, fusionTypes, registerFusion } from './fusion/index.js';
export type { FusionFactory } from './fusion/index.js';
export { Fusion, modes } from './fusion/fusion.js';
export type {
  Features,
  FusionConfig,
  FusionContext,
  FusionNeeds,
  FusionSizes,
  LossContext,
  Mode,
  SingleMode,
  TextLayers,
} from './fusion/fusion.js';
export { SequenceFusion } from './fusion/sequences.js';
export type { Sequences } from './fusion/sequences.js';
export { TwoInputMLP } from './fusion/mlp.js';

// The model
export { BertResNetModel } from './model.js';
export type {
  CreateOptions,
  FromPretrainedOptions,
  ModelConfig,
  ModelContext,
  ModelInput,
  ModelOptions,
} from './modelOptions.js';
export type { SaveOptions } from './modelFiles.js';
export { loadLora, saveLora } from './loraFiles.js';
export type { Prediction, PredictOptions, RawInput } from './predict.js';
export type { Calibration, HeadCalibration, PrecisionPoint } from './calibration.js';
export { OnnxModel } from './onnx/onnxModel.js';
export type { OnnxOptions } from './onnx/export.js';

// What models are built of
export { Module } from './nn/module.js';
export type { Scope } from './nn/module.js';
export { Linear } from './nn/linear.js';
export type { LinearInit } from './nn/linear.js';
export { addLora, mergeLora, removeLora } from './nn/lora.js';
export type { LoraConfig, LoraOptions } from './nn/lora.js';
export { Conv2d } from './nn/conv.js';
export type { Conv2dOptions } from './nn/conv.js';
export { Embedding } from './nn/embedding.js';
export { BatchNorm2d, LayerNorm } from './nn/norm.js';
export type { Initializer } from './nn/initializers.js';
export { checkpoint } from './nn/checkpoint.js';
export type { Checkpointed } from './nn/checkpoint.js';
export { dropout, DropoutSource } from './nn/dropout.js';
export type { ForwardContext } from './nn/dropout.js';
export { Random } from './nn/random.js';
export type { HostTensor, LoadOptions, LoadReport, StateDict } from './nn/stateDict.js';

// Training and evaluation
export { Trainer } from './training/trainer.js';
export type { FitOptions, TrainerOptions } from './training/trainer.js';
export { DivergedError } from './training/diverged.js';
export type { Diverged, Divergence } from './training/diverged.js';
export type {
  LoraTraining,
  NestedOptions,
  ResolvedOptions,
  ResolvedTraining,
  TrainingOptions,
} from './training/options.js';
export { findLearningRate } from './training/findLearningRate.js';
export type { FindLearningRateOptions, LearningRateRange } from './training/findLearningRate.js';
export type { RangePoint } from './training/rangeTest.js';
export type { ModelDefaults } from './training/defaults.js';
export type { AuxiliaryOptions } from './training/rowLoss.js';
export type { ClassWeights } from './training/classWeights.js';
export type { EarlyStopping } from './training/earlyStopping.js';
export type { FreezeOptions } from './training/freezing.js';
export type { ModalityDropout } from './training/modalityDropout.js';
export type { ModulationOptions } from './training/modulation.js';
export type { Reliance } from './training/reliance.js';
export { greedySoup } from './training/soup.js';
export type { Soup, SoupOptions } from './training/soup.js';
export { bestFirst, checkSearch, nextTrial } from './training/tune.js';
export type {
  SearchRange,
  SearchSettings,
  SearchSpace,
  Trial,
  TrialResult,
} from './training/tune.js';
export { scheduleFactor } from './training/schedule.js';
export type { ScheduleName, ScheduleOptions } from './training/schedule.js';
export { isMinimized, monitors } from './training/monitor.js';
export type { Monitor } from './training/monitor.js';
export type { EpochRecord, Figures, StepRecord, ValidationFigures } from './training/records.js';
export { notebookRecipe } from './training/recipe.js';
export type { Recipe } from './training/recipe.js';
export { formatSeconds, LineProgress } from './training/progress.js';
export type { LineProgressOptions, ProgressReporter, RunInfo } from './training/progress.js';
export { TensorBoardWriter } from './training/tensorBoard.js';
export type { TensorBoardOptions } from './training/tensorBoard.js';
export { AdamW } from './training/optimizer.js';
export type { AdamWMoments, AdamWOptions } from './training/optimizer.js';
export { answerRows, evaluate } from './training/evaluate.js';
export type {
  EvaluateOptions,
  EvaluationReport,
  ModeReport,
  PresenceReport,
} from './training/evaluate.js';
export { RowAnswers } from './training/rowAnswers.js';
export type { AnswersOf, Logits, ModeAnswers, PresentRows } from './training/rowAnswers.js';
export { classificationReport, reliabilityBins } from './training/metrics.js';
export type {
  ClassificationReport,
  ClassReport,
  ReliabilityBin,
  Scores,
} from './training/metrics.js';

// Whether figures can be trusted
export { calibrate } from './evaluation/calibrate.js';
export type { CalibrateOptions } from './evaluation/calibrate.js';
export { fitTemperature } from './evaluation/temperature.js';
export type { FittedTemperature } from './evaluation/temperature.js';
export { bootstrapInterval } from './evaluation/bootstrap.js';
export type {
  BootstrapFigure,
  BootstrapOptions,
  ConfusionFigure,
  Interval,
} from './evaluation/bootstrap.js';
export { mcnemar } from './evaluation/mcnemar.js';
export type { McNemarResult } from './evaluation/mcnemar.js';
export { findLeakage } from './evaluation/leakage.js';
export type { LeakageOptions, LeakageReport, LeakedPart, LeakedRow } from './evaluation/leakage.js';

// What people look at
export { createReport } from './report/createReport.js';
export type { CreateReportOptions } from './report/createReport.js';
export { reportHtml } from './report/report.js';
export type { Mistake, ReportData, ReportedLeakage, TestedRows } from './report/reportData.js';
export { answerColumns, answerTable } from './report/answerTable.js';
export type { AnswerRecord } from './report/answerTable.js';
export { compareAnswers } from './report/compare.js';
export type { ComparedAnswers, ComparedFigures, ComparedRun } from './report/compare.js';
export { compareHtml } from './report/comparison.js';

// Weights
export { zipFolder } from './files/zipFolder.js';
export { readSafetensors, writeSafetensors } from './weights/safetensors.js';
export type { SafetensorsOptions } from './weights/safetensors.js';
export type { WeightsSource } from './weights/source.js';
export type { DownloadProgress, PretrainedOptions, PretrainedSource } from './weights/hub.js';
export type { HeldFiles } from './files/fileTree.js';
export type { ExecutionProvider } from './backends/onnxruntime/runtime.js';
