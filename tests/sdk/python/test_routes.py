"""The other routes of OpenAI's SDK: embeddings, moderations, images, audio, models, legacy completions."""

import io

import openai
import pytest
from control import nano_usd

WAV = b"RIFF" + bytes(64_000)


def test_embeddings(client, call):
    answer = client.embeddings.create(
        model="text-embedding-3-small", input=["one text", "another text"], extra_headers=call.headers
    )
    assert [item.index for item in answer.data] == [0, 1]
    assert all(isinstance(number, float) for number in answer.data[0].embedding)
    row = call.row(
        model="text-embedding-3-small",
        tokens=(answer.usage.prompt_tokens, 0),
        cost=nano_usd(answer.usage.prompt_tokens, 0, 0.02, 0),
    )
    assert row["kind"] == "embedding"


def test_moderations(client, call):
    answer = client.moderations.create(
        model="omni-moderation-latest", input="I like trains.", extra_headers=call.headers
    )
    assert answer.results[0].flagged is False
    row = call.row(model="omni-moderation-latest")
    assert row["kind"] == "moderation" and row["costNanoUsd"] == "0"


def test_images(client, call):
    answer = client.images.generate(model="gpt-image-1", prompt="a cat", extra_headers=call.headers)
    assert answer.data[0].b64_json
    row = call.row(model="gpt-image-1", tokens=(answer.usage.input_tokens, answer.usage.output_tokens))
    assert row["kind"] == "image" and int(row["costNanoUsd"]) > 0


def test_image_edits_are_multipart(client, call):
    image = ("cat.png", io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(64)), "image/png")
    answer = client.images.edit(model="gpt-image-1", image=image, prompt="a hat", extra_headers=call.headers)
    assert answer.data[0].b64_json
    row = call.row(model="gpt-image-1")
    assert row["requestedModel"] == "gpt-image-1" and row["path"] == "/v1/images/edits"


def test_speech(client, call):
    text = "Good morning, gateway."
    answer = client.audio.speech.create(model="tts-1", voice="alloy", input=text, extra_headers=call.headers)
    assert answer.content
    row = call.row(model="tts-1")
    assert row["kind"] == "audio"
    # Priced by the character: 15 US dollars for a million.
    assert row["costNanoUsd"] == str(len(text) * 15_000)


def test_speech_is_streamed_to_a_file(client, call, tmp_path):
    with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input="Good morning.", extra_headers=call.headers
    ) as answer:
        answer.stream_to_file(tmp_path / "speech.mp3")
    assert (tmp_path / "speech.mp3").stat().st_size > 0
    call.row(model="tts-1")


def test_transcription(client, call):
    answer = client.audio.transcriptions.create(
        model="whisper-1", file=("speech.wav", io.BytesIO(WAV)), extra_headers=call.headers
    )
    assert answer.text
    row = call.row(model="whisper-1")
    assert row["kind"] == "audio" and row["requestedModel"] == "whisper-1"


def test_legacy_completions(client, call):
    answer = client.completions.create(
        model="gpt-3.5-turbo-instruct", prompt="Once upon a time", extra_headers=call.headers
    )
    assert answer.choices[0].text
    call.row(tokens=(answer.usage.prompt_tokens, answer.usage.completion_tokens))


def test_w_043_models_are_those_the_key_may_use(client, open_client):
    ids = [model.id for model in client.models.list()]
    assert "openai/gpt-4o-mini" in ids
    assert all(one.startswith("openai/") for one in ids), "the key is bound to one provider key"
    providers = {model.id.split("/")[0] for model in open_client.models.list()}
    assert providers == {"openai", "anthropic"}
    model = client.models.retrieve("openai/gpt-4o-mini")
    assert (model.id, model.object, model.owned_by) == ("openai/gpt-4o-mini", "model", "openai")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("claude-sonnet-5")
