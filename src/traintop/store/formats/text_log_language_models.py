"""What loops that train language models print: one entry for each kind of log.

Every example is a line as the loop prints it, and a test reads it.
"""

from __future__ import annotations

from traintop.store.formats.text_log_lines import (
    BLANKS,
    COLONS,
    EQUALS,
    NO_METRIC,
    NOTHING,
    PLACE,
    RUN_TIME,
    STEP_TIME,
    LogLine,
    LogPattern,
    regex,
    step,
)

_COLONS_AND_UNITS = regex(r"(?<![\w./@-])([A-Za-z_][\w./@-]*+): *{NUMBER}(ms|[KMBTPE])?")
_IN_BARS = regex(
    r"\| *([A-Za-z][^|:]{0,80}(?=:)|[A-Za-z][A-Za-z ]{0,60}(?= )):? *{NUMBER} *()(?=\|)"
)
_FAIRSEQ_NAMES = {"num_updates": PLACE, "gnorm": "grad_norm", "wall": NO_METRIC}
_FAIRSEQ_ENDS = b" | fairseq_cli.train | done training in "

LANGUAGE_MODEL_LOOPS: tuple[LogPattern, ...] = (
    LogPattern(
        "modded-nanogpt",
        (
            LogLine(
                "step:1/1750 train_loss:10.8258 train_time:24389ms step_avg:nanms",
                regex(r"step:(?P<step>\d++)/(?P<of>\d++)(?= \w+:)"),
                _COLONS_AND_UNITS,
                step,
                {"train_time": RUN_TIME, "t": RUN_TIME},
                needs=(b"step:",),
            ),
        ),
        begins_with_program=True,
        ends=b"peak memory allocated: ",
    ),
    LogPattern(
        "nanoGPT",
        (
            LogLine(
                "iter 350: loss 0.0230, time 347.86ms, mfu 12.26%",
                regex(r"\biter (?P<step>\d++)(?:/(?P<of>\d++))?[^:]{0,20}:(?= loss:? )"),
                BLANKS,
                step,
                {"time": STEP_TIME, "total time": RUN_TIME},
                needs=(b"iter ", b": loss"),
            ),
            LogLine(
                "step 0: train loss 4.2874, val loss 4.2823",
                regex(r"\bstep (?P<step>\d++):(?= train loss )"),
                BLANKS,
                step,
                {"train loss": "eval_train_loss", "val loss": "val_loss"},
            ),
        ),
    ),
    LogPattern(
        "nanoGPT's evaluations",
        (
            LogLine(
                "step 500: train loss 1.7590, val loss 1.9116",
                regex(r"\bstep (?P<step>\d++):(?= train loss )"),
                BLANKS,
                step,
                {"train loss": "train_loss", "val loss": "val_loss"},
                needs=(b": train loss ",),
            ),
        ),
    ),
    LogPattern(
        "llm.c",
        (
            LogLine(
                "step    2/21479 | loss 10.829729 (+nanz)| norm 15.0011 (+nanz)| lr 5.71e-06 | "
                "2391.52 ms | -100.0% bf16 MFU | 191824 tok/s",
                regex(r"\bstep +(?P<step>\d++)/(?P<of>\d++)(?= \| (?:train )?loss )"),
                regex(r"\| *([a-z][a-z ]{0,40}) {NUMBER}()"),
                step,
                {
                    "train loss": "train_loss",
                    "norm": "grad_norm",
                    "ms": STEP_TIME,
                    "tok/s": "tokens_per_sec",
                },
                needs=(b" tok/s",),
                bare=regex(r"\| \(?{NUMBER}%? (ms|tok/s|\w{1,20} MFU)"),
            ),
            LogLine(
                "val loss 11.006021",
                regex(r"^(?=val loss \d)"),
                BLANKS,
                None,
                {"val loss": "val_loss"},
                may_be_first=True,
            ),
        ),
        ends=b"total average iteration time: ",
    ),
    LogPattern(
        "llm.c",
        (
            LogLine(
                "s:1 trl:10.8281 lr:0.000003 norm:14.90",
                regex(r"^s:(?P<step>\d++)(?= (?:tel|trl|eval):)"),
                COLONS,
                step,
                {"trl": "train_loss", "tel": "val_loss", "norm": "grad_norm"},
            ),
        ),
    ),
    LogPattern(
        "build-nanogpt",
        (
            LogLine(
                "step     0 | loss: 10.955029 | lr 8.3916e-07 | norm: 15.3669 | dt: 27090.40ms | "
                "tok/sec: 19353.34",
                regex(r"\bstep +(?P<step>\d++)(?= \| loss: )"),
                regex(r"\| *([a-z/]{1,40}):? {NUMBER}(ms)?"),
                step,
                {"norm": "grad_norm", "dt": STEP_TIME},
                needs=(b" | dt: ", b" | tok/sec: "),
            ),
            LogLine(
                "validation loss: 10.9511",
                regex(r"^(?=validation loss: \d)"),
                BLANKS,
                None,
                {"validation loss": "val_loss"},
                is_of_next=True,
            ),
            LogLine(
                "HellaSwag accuracy: 2463/10042=0.2453",
                regex(r"^(?=HellaSwag accuracy: \d)"),
                regex(r"(HellaSwag accuracy): \d++/\d++={NUMBER}()"),
                None,
                is_of_next=True,
            ),
        ),
    ),
    LogPattern(
        "build-nanogpt",
        (
            LogLine(
                "250 train 5.961714",
                regex(r"^(?P<step>\d++) (?=(?:train|val|hella) [\d.]++$)"),
                BLANKS,
                step,
                {"train": "train_loss", "val": "val_loss"},
                needs=(b" ",),
            ),
        ),
    ),
    LogPattern(
        "nanochat",
        (
            LogLine(
                "step 00010/21400 (0.05%) | loss: 8.952301 | lrm: 1.00 | dt: 480.12ms | "
                "tok/sec: 1,091,990 | bf16_mfu: 49.78 | epoch: 1 | total time: 0.00m",
                regex(r"\bstep (?P<step>\d++)(?:/(?P<of>\d++))? \([\d.]++%\)(?= \| loss: )"),
                regex(r"\| *([a-z][\w/]{0,40}(?: \w{1,40})?): {NUMBER}(ms|m)?"),
                step,
                {"dt": STEP_TIME, "total time": RUN_TIME},
                needs=(b"%) | loss: ",),
            ),
            LogLine(
                "Step 00250 | Validation bpb: 1.093412",
                regex(r"\bStep (?P<step>\d++)(?= \| [A-Z])"),
                regex(r"[|,] *([A-Z][\w ]{0,40}): {NUMBER}()"),
                step,
                {"Validation bpb": "val_bpb"},
            ),
        ),
    ),
    LogPattern(
        "torchtitan",
        (
            LogLine(
                "[rank0]:[titan] 2025-10-30 14:32:58,990 - root - INFO - step:  2  loss:  6.1098  "
                "grad_norm:  4.6416  memory:  2.49GiB(3.14%)  tps: 177,138  tflops: 96.17  "
                "mfu: 9.72%",
                regex(r" - step: *+(?P<step>\d++)(?:/(?P<of>\d++)(?: = [\d.]++%)?)?(?= +loss: )"),
                COLONS,
                step,
                needs=(b" - step: ", b"  loss: "),
            ),
            LogLine(
                "[rank0]:[titan] 2026-01-02 03:04:26,338 - root - INFO - validate step: 21  "
                "loss:  0.24183  memory:  9.46GiB(64.99%)  tps: 35,245",
                regex(r" - validate step: *+(?P<step>\d++)(?= +loss: )"),
                COLONS,
                step,
                prefix="val/",
            ),
        ),
        ends=b" - Training completed",
    ),
    LogPattern(
        "Megatron-LM",
        (
            LogLine(
                " iteration      201/  250000 | consumed samples:       205824 | elapsed time per "
                "iteration (ms): 139113.4 | learning rate: 1.507E-05 | global batch size:  1024 | "
                "lm loss: 2.373574E+00 | loss scale: 1.0 | grad norm: 0.811 | number of skipped "
                "iterations:   0 | number of nan iterations:   0 |",
                regex(r"\biteration +(?P<step>\d++)/ *(?P<of>\d++)(?= \|)"),
                _IN_BARS,
                step,
                {"elapsed time per iteration (ms)": STEP_TIME},
                needs=(b"elapsed time per iteration (ms)",),
            ),
            LogLine(
                " validation loss at iteration 1000 | lm loss value: 2.724416E+00 | "
                "lm loss PPL: 1.524748E+01 | ",
                regex(r"\b(?P<part>validation|test) loss at iteration (?P<step>\d++)\b"),
                _IN_BARS,
                step,
                {"lm loss value": "loss", "lm loss PPL": "ppl"},
            ),
        ),
    ),
    LogPattern(
        "fairseq",
        (
            LogLine(
                "2023-06-13 17:31:08 | INFO | train_inner | epoch 143:     85 / 282 loss=3.147, "
                "nll_loss=1.236, ppl=8.86, wps=72384.3, ups=1.21, wpb=59997.9, bsz=2186.3, "
                "num_updates=40100, lr=0.000157917, gnorm=0.489, clip=0, loss_scale=32768, "
                "train_wall=48, wall=0",
                regex(r"\| train_inner \| epoch \d++:"),
                EQUALS,
                None,
                _FAIRSEQ_NAMES,
                needs=(b" num_updates=",),
            ),
            LogLine(
                "2023-06-13 17:32:41 | INFO | valid | epoch 143 | valid on 'valid' subset | "
                "loss 12.677 | nll_loss 11.546 | ppl 6550.94 | bleu 29.52 | wps 88225 | "
                "bsz 666.3 | num_updates 40297 | best_bleu 30.53",
                regex(r"\| (?P<part>train|valid|test)\w{0,40} \| epoch \d++(?= \|)"),
                regex(r"\| (\w{1,60}) {NUMBER}()"),
                None,
                _FAIRSEQ_NAMES,
                needs=(b"| num_updates ",),
            ),
        ),
        ends=_FAIRSEQ_ENDS,
    ),
    LogPattern(
        "fairseq",
        (
            LogLine(
                '2026-01-02 03:04:10 | INFO | train_inner | {"epoch": 1, "update": 0.25, '
                '"loss": "3.222", "ppl": "9.33", "num_updates": "5", "lr": "0.0494537", '
                '"gnorm": "3.636", "wall": "0"}',
                regex(r"\| train_inner \| (?=\{)"),
                regex(r'"(\w{1,60})": "?{NUMBER}()'),
                None,
                _FAIRSEQ_NAMES,
                needs=(b'"num_updates": ',),
            ),
            LogLine(
                '2026-01-02 03:04:25 | INFO | valid | {"epoch": 1, "valid_loss": "0.242", '
                '"valid_ppl": "1.18", "valid_num_updates": "20", "valid_best_loss": "0.242"}',
                regex(r"\| (?P<part>train|valid|test)\w{0,40} \| (?=\{)"),
                regex(r'"(?:train|valid|test)_(\w{1,60})": "?{NUMBER}()'),
                None,
                _FAIRSEQ_NAMES,
                needs=(b'_num_updates": ',),
            ),
        ),
        ends=_FAIRSEQ_ENDS,
    ),
    LogPattern(
        "OLMo",
        (
            LogLine(
                "    train/CrossEntropyLoss=11.41",
                regex(r"^ {4}(?=[\w/.-]++=)"),
                EQUALS,
                None,
                needs=(b"=",),
            ),
            LogLine(
                "2024-02-05 16:50:29.914 node:0 olmo.train:816 INFO [step=1/739328,epoch=0]",
                regex(r"\[step=(?P<step>\d++)/(?P<of>\d++)(?=[,\]])"),
                NOTHING,
                step,
            ),
        ),
    ),
    LogPattern(
        "nanotron",
        (
            LogLine(
                "12/21 01:39:51 [INFO|DP=0|TP=0|lrdn0007]: iteration: 211364 / 1500000 | "
                "consumed_tokens: 480B | time_per_iteration_ms: 8.79K | tokens_per_sec: 182K | "
                "tokens_per_sec_per_gpu: 699 | global_batch_size: 1.6M | grad_norm: 0.112 | "
                "lm_loss: 2.04 | lr: 0.0001 | model_tflops_per_gpu: 15.4 | eta: 131 days, 1:45:39",
                regex(r"\biteration: (?P<step>\d++) / (?P<of>\d++)(?= \| )"),
                _COLONS_AND_UNITS,
                step,
                {"time_per_iteration_ms": STEP_TIME, "eta": NO_METRIC},
                needs=(b"iteration: ",),
            ),
        ),
    ),
    LogPattern(
        "LitGPT",
        (
            LogLine(
                "Epoch 1 | iter 16 step 8 | loss train:  9.884, val: n/a | iter time:   28.05 ms",
                regex(r"\bEpoch \d++ \| iter +(?P<step>\d++) step \d++(?= \| loss train: )"),
                regex(r"\b(loss train|val|iter time): *+{NUMBER}(?: (ms|s))?"),
                step,
                {"loss train": "train_loss", "val": "val_loss", "iter time": STEP_TIME},
                needs=(b"| loss train: ",),
            ),
            LogLine(
                "iter 600: val loss 3.7062, val time: 21650.41 ms",
                regex(r"\biter (?P<step>\d++):(?= val loss )"),
                regex(r"(val loss) {NUMBER}()"),
                step,
                {"val loss": "val_loss"},
            ),
        ),
    ),
)
"""The most particular first."""
