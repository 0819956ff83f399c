"""What other training loops print, those of frameworks and those of one's own: one entry for each
kind of log.

Every example is a line as the loop prints it, and a test reads it.
"""

from __future__ import annotations

from traintop.store.formats.text_log_lines import (
    COLONS,
    EQUALS,
    NO_METRIC,
    NOTHING,
    PLACE,
    STEP_TIME,
    LogLine,
    LogPattern,
    epoch,
    epochs_from_0,
    epochs_from_1,
    regex,
    step,
    step_of_epoch_from_0,
    step_of_epoch_from_1,
)

_ANY = regex(
    r"(?<![\w./@-])((?:[A-Za-z][\w./@-]*+ ){0,2}[A-Za-z][\w./@-]*+(?=\s{0,2}[:=])"
    r"|(?:[A-Za-z]\w*+ )?(?i:\w{0,40}loss|acc|accuracy|ppl|perplexity|lr|reward))"
    r"\s{0,2}[:=]?\s{0,4}{NUMBER}()"
)
_TRAINER_PAIRS = regex(r"'([^']{1,200})': '?{NUMBER}()")

TRAINER_LINE = LogLine(
    "{'loss': 1.6847, 'grad_norm': 0.8, 'learning_rate': 4.9e-05, 'epoch': 0.02}",
    regex(r"\{(?=')"),
    _TRAINER_PAIRS,
    None,
    {"epoch": PLACE},
    needs=(b"'epoch': ",),
)
"""Says no step; the progress bar that is drawn behind it may do so."""

PROGRESS_BAR = LogLine(
    " 17%|█▋        | 10/60 [00:00<00:00, 87.23it/s]",
    regex(r"^ *\d++%\|[^|]*+\| *(?P<step>\d++)/(?P<of>\d++) \["),
    NOTHING,
    step,
)
"""Of tqdm, without a description."""

_MM_VALIDATION = LogLine(
    "2024/06/19 01:25:51 - mmengine - INFO - Epoch(val) [1][32/32]    coco/bbox_mAP: 0.3120  "
    "coco/bbox_mAP_50: 0.4790  data_time: 0.0012  time: 0.0410",
    regex(r" - INFO - (?:Epoch|Iter)\((?P<part>val|test)\) *(?:\[\d++\])?\[ *\d++/\d++\]"),
    COLONS,
    None,
)

FRAMEWORK_LOOPS: tuple[LogPattern, ...] = (
    LogPattern("Transformers", (TRAINER_LINE,), ends=b"{'train_runtime': ", counts_epochs=True),
    LogPattern(
        "Keras",
        (
            LogLine(
                "263/263 [==============================] - 254s 966ms/step - loss: 0.5941 - "
                "acc: 0.8270 - val_loss: 0.0751 - val_acc: 0.9799",
                regex(r"^ *(?P<batch>\d++)/(?P<batches>\d++) |^ - \d++s(?= - )"),
                regex(r" - (\w[\w.-]{0,100}): {NUMBER}()"),
                None,
                {"ms/step": STEP_TIME, "us/step": STEP_TIME, "s/step": STEP_TIME},
                needs=(b" - ", b": "),
                bare=regex(r" (\d++)((?:ms|us|s)/step)"),
                counts_once=True,
            ),
            LogLine(
                "Epoch 3/10", regex(r"^Epoch (?P<epoch>\d++)/(?P<epochs>\d++)$"), NOTHING, epoch
            ),
        ),
        counts_epochs=True,
    ),
    LogPattern(
        "mmengine",
        (
            LogLine(
                "2024/06/19 01:21:51 - mmengine - INFO - Epoch(train)  [1][  50/1509]  "
                "base_lr: 2.0000e-04 lr: 2.1648e-06  eta: 8:27:55  time: 0.2526  "
                "data_time: 0.0334  memory: 9182  grad_norm: nan  loss: 59.1782  loss_cls: 21.0711",
                regex(
                    r" - INFO - Epoch\(train\) *+\[(?P<epoch>\d++)\]"
                    r"\[ *+(?P<batch>\d++)/(?P<batches>\d++)\]"
                ),
                COLONS,
                step_of_epoch_from_1,
                {"eta": NO_METRIC},
                needs=(b" - INFO - Epoch(train)",),
            ),
            _MM_VALIDATION,
        ),
    ),
    LogPattern(
        "mmengine",
        (
            LogLine(
                "2023/02/18 16:39:58 - mmengine - INFO - Iter(train) [   50/80000]  "
                "lr: 9.9945e-03  eta: 8:05:33  time: 0.3645  data_time: 0.0068  memory: 5463  "
                "loss: 2.2349  decode.acc_seg: 23.5813",
                regex(r" - INFO - Iter\(train\) *+\[ *+(?P<step>\d++)/(?P<of>\d++)\]"),
                COLONS,
                step,
                {"eta": NO_METRIC},
                needs=(b" - INFO - Iter(train)",),
            ),
            _MM_VALIDATION,
        ),
    ),
    LogPattern(
        "Detectron2",
        (
            LogLine(
                "[11/24 17:17:38 d2.utils.events]:  eta: 0:03:49  iter: 19  total_loss: 5.922  "
                "loss_cls: 1.709  time: 0.8241  data_time: 0.8461  lr: 3.9962e-05  max_mem: 1966M",
                regex(r"  iter: (?P<step>\d++)(?=  )"),
                COLONS,
                step,
                needs=(b" d2.utils.events]: ",),
            ),
        ),
    ),
    LogPattern(
        "MetricLogger",
        (
            LogLine(
                "Epoch: [0]  [1/6]  eta: 0:00:11  lr: 0.002003  loss: 7.5953 (7.9363)  "
                "loss_mask: 1.8035 (1.8298)  time: 2.2824  data: 0.6244  max mem: 2648",
                regex(r"\bEpoch: \[(?P<epoch>\d++)\] +\[ *+(?P<batch>\d++)/ *(?P<batches>\d++)\]"),
                COLONS,
                step_of_epoch_from_0,
                {"eta": NO_METRIC},
                needs=(b"Epoch: [", b"  eta: "),
            ),
            LogLine(
                "* Acc@1 76.130 Acc@5 92.862 loss 0.961",
                regex(r"^\* (?=Acc@)"),
                regex(r"(Acc@\d|loss) {NUMBER}()"),
                None,
                prefix="val/",
            ),
        ),
    ),
    LogPattern(
        "PyTorch's ImageNet example",
        (
            LogLine(
                "Epoch: [0][  10/1307]\tTime  0.779 ( 5.211)\tData  0.000 ( 0.060)\t"
                "Loss 2.3915e+01 (1.5221e+01)\tAcc@1   0.00 (  5.68)\tAcc@5  12.50 ( 27.27)",
                regex(r"\bEpoch: \[(?P<epoch>\d++)\]\[ *+(?P<batch>\d++)/ *(?P<batches>\d++)\]"),
                regex(r"\b([A-Za-z][\w@]{0,60}) +{NUMBER}() \("),
                step_of_epoch_from_0,
                needs=(b"Epoch: [",),
            ),
            LogLine(
                " * Acc@1 69.758 Acc@5 89.078",
                regex(r"^ \* (?=Acc@)"),
                regex(r"(Acc@\d) {NUMBER}()"),
                None,
                prefix="val/",
            ),
        ),
    ),
    LogPattern(
        "PyTorch's language model example",
        (
            LogLine(
                "| epoch   1 |   200/ 2983 batches | lr 20.00 | ms/batch 15.50 | loss  7.63 | "
                "ppl  2050.28",
                regex(
                    r"\| epoch +(?P<epoch>\d++) \| +(?P<batch>\d++)/ *(?P<batches>\d++) batches "
                ),
                regex(r"\| *([a-z/]{1,40}) +{NUMBER}()"),
                step_of_epoch_from_1,
                {"ms/batch": STEP_TIME},
                needs=(b" batches | ",),
            ),
            LogLine(
                "| end of epoch   1 | time: 47.53s | valid loss  5.73 | valid ppl   308.44",
                regex(r"\| end of epoch +\d++ (?=\|)"),
                regex(r"\| *(valid [a-z]{1,40}) +{NUMBER}()"),
                None,
            ),
        ),
    ),
    LogPattern(
        "PyTorch's MNIST example",
        (
            LogLine(
                "Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.300825",
                regex(
                    r"\bTrain Epoch: (?P<epoch>\d++) \[(?P<batch>\d++)/(?P<batches>\d++) \(\d++%\)"
                ),
                _ANY,
                epochs_from_1,
                needs=(b"Train Epoch: ",),
            ),
            LogLine(
                "Test set: Average loss: 0.0287, Accuracy: 9902/10000 (99%)",
                regex(r"\bTest set: "),
                regex(r"(Average loss): {NUMBER}()"),
                None,
                {"Average loss": "loss", "%": "accuracy"},
                prefix="test/",
                bare=regex(r"\({NUMBER}(%)\)"),
            ),
        ),
        counts_epochs=True,
    ),
    LogPattern(
        "tqdm",
        (
            LogLine(
                "Epoch 0:   1%|▏         | 1/115 [00:02<05:40,  0.33it/s, v_num=0, "
                "train/loss_step=12.90]",
                regex(
                    r"\b[Ee]poch:? \[?(?P<epoch>\d++)\]?(?:[^|/\d][^|/]{0,60})?: +\d++%\|[^|]*+\| *"
                    r"(?P<batch>\d++)/(?P<batches>\d++) \["
                ),
                EQUALS,
                epochs_from_0,
                {"v_num": NO_METRIC},
                needs=(b"%|", b"="),
            ),
        ),
        counts_epochs=True,
    ),
    LogPattern(
        "tqdm",
        (
            LogLine(
                "Epoch 2/10:  45%|████▌     | 450/1000 [01:20<01:40,  5.59it/s, loss=2.31]",
                regex(
                    r"\b[Ee]poch:? \[?(?P<epoch>\d++)/(?P<epochs>\d++)\]?[^|/]{0,60}: +"
                    r"\d++%\|[^|]*+\| *(?P<batch>\d++)/(?P<batches>\d++) \["
                ),
                EQUALS,
                epochs_from_1,
                needs=(b"%|", b"="),
            ),
        ),
        counts_epochs=True,
    ),
    LogPattern(
        "lines of epochs and steps",
        (
            LogLine(
                "Epoch [1/5], Step [100/600], Loss: 0.4567",
                regex(
                    r"\b(?i:epoch)[ :]{0,2}\[?(?P<epoch>\d++)(?:/(?P<epochs>\d++))?\]?,? ?\|? ?"
                    r"(?i:step|batch|iter|iteration)[ :]{0,2}\[?(?P<batch>\d++)/(?P<batches>\d++)"
                ),
                _ANY,
                step_of_epoch_from_1,
            ),
        ),
        is_general=True,
    ),
    LogPattern(
        "lines of steps",
        (
            LogLine(
                "Step 100/1000 | loss: 2.3456 | lr: 0.0003",
                regex(
                    r"(?<![\w./-])(?:(?i:epoch)[ :=#\[(]{0,4}(?P<epoch>\d++)[^\d\n]{1,12}?\b)?"
                    r"(?i:(?:(?:global|train|training)[ _])?step|iteration|iter|update)"
                    r"(?i:s)?[ :=#\[(]{0,4}(?P<step>\d++)(?: ?(?:/|of) ?(?P<of>\d++))?"
                ),
                _ANY,
                step,
            ),
        ),
        is_general=True,
    ),
    LogPattern(
        "lines of epochs",
        (
            LogLine(
                "Epoch 3/10 | Train Loss: 0.5213 | Val Loss: 0.6012 | Val Acc: 81.25%",
                regex(
                    r"(?<![\w./-])(?i:epoch)[ :=#\[(]{0,4}(?P<epoch>\d++)"
                    r"(?: ?(?:/|of) ?(?P<epochs>\d++))?"
                ),
                _ANY,
                epoch,
            ),
        ),
        counts_epochs=True,
        is_general=True,
    ),
)
"""The most particular first; the last ones are of loops of one's own."""
