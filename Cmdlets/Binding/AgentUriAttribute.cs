using System.Management.Automation;

namespace VmMigration.Cmdlets;

/// <summary>
/// Lets an agent's address be written short: <c>kvm01</c> and <c>kvm01:7820</c> mean https and the port agents use, <c>/run/agent.sock</c> means
/// a unix socket.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class AgentUriAttribute : ArgumentTransformationAttribute
{
    /// <summary>Port of an agent's control where none is written.</summary>
    internal const int DefaultPort = 7820;

    /// <summary>Turns the argument into a URI; leaves what it does not understand to the binder, which names the parameter.</summary>
    /// <param name="engineIntrinsics">Not used.</param>
    /// <param name="inputData">What the user wrote.</param>
    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        object value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        if (value is not string text) return inputData;
        if (text.StartsWith('/')) return new Uri($"unix://{text}");
        if (text.Contains("://", StringComparison.Ordinal)) return inputData;
        if (!Uri.TryCreate($"https://{text}", UriKind.Absolute, out Uri? uri)) return inputData;
        // https fills in its own port where none is written; written out, it is among the text.
        return uri.IsDefaultPort && !text.EndsWith(":443", StringComparison.Ordinal)
            ? new UriBuilder(uri) { Port = DefaultPort }.Uri
            : uri;
    }
}
