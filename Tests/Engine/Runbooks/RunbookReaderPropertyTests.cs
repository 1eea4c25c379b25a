using System.Text;
using CsCheck;
using VmMigration.Engine.Runbooks;
using Xunit;

namespace VmMigration.Engine.Tests.Runbooks;

public sealed class RunbookReaderPropertyTests
{
    private const string Valid = """
        apiVersion: vm-migration/v1
        kind: MigrationRunbook
        metadata: { name: sample, description: "A \"quoted\" text" }
        parameters:
          memory: { type: size, default: 512MiB, min: 2MiB, max: 1TiB }
          names: { type: string, default: 'web', allowed: [web, db] }
        defaults:
          New-Thing: { Wait: true }
        steps:
          - id: make
            run: New-Thing
            forEach: [a, { Name: b }]
            throttle: 2
            if: ${{ parameters.memory >= 1MiB && !(item == 'c') || false }}
            with:
              Name: vm-${{ item }}
              MemoryBytes: ${{ parameters.memory }}
              Tags:
                - one
                - >-
                  folded
                  ${{ parameters.names }}
          - id: look
            run: Get-Thing # a comment
            with: { Name: "${{ steps.make.output[0].Name }}" }
        always:
          - { id: remove, run: Remove-Thing, with: { Name: '$${{ not evaluated }}' } }
        outputs: { made: '${{ steps.make.output }}' }
        """;

    private static readonly RunbookReader Reader = new(RunbookSamples.Catalog);

    private static readonly Gen<string> Fragment = Gen.OneOf(new[]
    {
"${{", "}}", "'", "\"", ": ", "- ", "[", "]", "{", "}", "\n", "\t", "&a ", "*a", "!!str ", "---\n", "...\n", "? ", "|", ">", "#", "%YAML 1.1\n",
        "\u0000", "\uFEFF", "\u2028", "\U0001F600", "if", "steps.", "item", "999999999999999999999", "~", "\\", "<<: ", "@", "`", "\r",
    }.Select(fragment => Gen.Const(fragment)).ToArray());

    [Fact]
    public void The_runbook_that_is_mutated_below_is_valid() => Assert.Empty(Reader.Read(Valid, "valid.yaml").Diagnostics);

    [Fact]
    public void Random_bytes_never_give_anything_but_diagnostics() =>
        Gen.Byte.Array[0, 400].Sample(bytes => AssertAnswer(Reader.Read(bytes, "random.yaml")), iter: 20_000);

    [Fact]
    public void Random_yaml_fragments_never_give_anything_but_diagnostics() =>
        Fragment.Array[0, 60].Sample(parts => AssertAnswer(Reader.Read(string.Concat(parts), "random.yaml")), iter: 20_000);

    [Fact]
    public void A_mutated_runbook_never_gives_anything_but_diagnostics()
    {
        Gen<(int Position, int Removed, string Inserted)> edit =
            Gen.Select(Gen.Int[0, Valid.Length - 1], Gen.Int[0, 12], Gen.OneOf(Fragment, Gen.String[0, 3]));
        edit.Array[1, 4].Sample(edits =>
        {
            var text = new StringBuilder(Valid);
            foreach ((int position, int removed, string inserted) in edits)
            {
                int at = Math.Min(position, text.Length);
                text.Remove(at, Math.Min(removed, text.Length - at)).Insert(at, inserted);
            }

            AssertAnswer(Reader.Read(text.ToString(), "mutated.yaml"));
        }, iter: 20_000);
    }

    [Theory]
    [InlineData('[')]
    [InlineData('{')]
    [InlineData('(')]
    [InlineData('!')]
    [InlineData('-')]
    [InlineData('&')]
    [InlineData('?')]
    public void A_hundred_thousand_times_the_same_character_neither_overflows_the_stack_nor_hangs(char character)
    {
        AssertRefused(Reader.Read(new string(character, 100_000), "deep.yaml"));
        AssertRefused(Reader.Read(RunbookSamples.Frame($"steps:\n  - id: a\n    run: Get-Thing\n    if: ${{{{ {new string(character, 100_000)} }}}}"), "deep.yaml"));
    }

    private static void AssertRefused(RunbookReading reading)
    {
        Assert.Null(reading.Runbook);
        AssertAnswer(reading);
    }

    private static void AssertAnswer(RunbookReading reading)
    {
        Assert.Equal(reading.Runbook is null, reading.Diagnostics.Count > 0);
        foreach (RunbookDiagnostic diagnostic in reading.Diagnostics)
        {
            Assert.True(diagnostic is { Line: >= 1, Column: >= 1 }, diagnostic.ToString());
            Assert.False(string.IsNullOrWhiteSpace(diagnostic.Message) || string.IsNullOrWhiteSpace(diagnostic.Hint), diagnostic.ToString());
            Assert.DoesNotContain("Exception", diagnostic.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', diagnostic.Message);
        }
    }
}
