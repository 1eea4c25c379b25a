using System.Collections.ObjectModel;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Security;
using System.Text;

namespace VmMigration.Cmdlets.Tests.Hosting;

/// <summary>Keeps text, progress and prompts. A prompt for a choice is answered with <see cref="Choice"/>.</summary>
public sealed class CapturingUserInterface : PSHostUserInterface
{
    private readonly Lock gate = new();
    private readonly StringBuilder text = new();
    private readonly List<ProgressRecord> progress = [];
    private readonly List<string> prompts = [];

    /// <summary>Label of the answer to prompts, such as <c>Yes</c>; null makes a prompt an error, as without a user.</summary>
    public string? Choice { get; set; }

    public override PSHostRawUserInterface RawUI { get; } = new CapturingRawUserInterface();

    public override bool SupportsVirtualTerminal => false;

    public IReadOnlyList<ProgressRecord> Progress => Locked(() => progress.ToArray());

    public IReadOnlyList<string> Prompts => Locked(() => prompts.ToArray());

    /// <summary>The text written so far, which is then forgotten.</summary>
    public string TakeText() => Locked(() =>
    {
        string taken = text.ToString();
        text.Clear();
        return taken;
    });

    public override void Write(string value) => Locked(() => text.Append(value));

    public override void Write(ConsoleColor foregroundColor, ConsoleColor backgroundColor, string value) => Write(value);

    public override void WriteLine(string value) => Write(value + "\n");

    public override void WriteErrorLine(string value) => WriteLine(value);

    public override void WriteDebugLine(string message) => WriteLine(message);

    public override void WriteVerboseLine(string message) => WriteLine(message);

    public override void WriteWarningLine(string message) => WriteLine(message);

    public override void WriteProgress(long sourceId, ProgressRecord record) => Locked(() =>
    {
        progress.Add(record);
        return 0;
    });

    public override int PromptForChoice(string caption, string message, Collection<ChoiceDescription> choices, int defaultChoice)
    {
        Locked(() =>
        {
            prompts.Add(message);
            return 0;
        });
        if (Choice is null) throw new HostException("Nobody is here to answer.");
        return choices.Select((choice, index) => (Label: choice.Label.Replace("&", ""), index)).Single(choice => choice.Label == Choice).index;
    }

    public override Dictionary<string, PSObject> Prompt(string caption, string message, Collection<FieldDescription> descriptions) =>
        throw new HostException("Nobody is here to answer.");

    public override PSCredential PromptForCredential(string caption, string message, string userName, string targetName) =>
        throw new NotSupportedException();

    public override PSCredential PromptForCredential(string caption, string message, string userName, string targetName,
        PSCredentialTypes allowedCredentialTypes, PSCredentialUIOptions options) => throw new NotSupportedException();

    public override string ReadLine() => throw new HostException("Nobody is here to answer.");

    public override SecureString ReadLineAsSecureString() => throw new NotSupportedException();

    private T Locked<T>(Func<T> action)
    {
        lock (gate) return action();
    }
}
